import { InvalidArgumentError } from 'commander';

/** What somebody wants a service to be called. @throws {InvalidArgumentError} */
export function unitName(text: string): string {
  if (!/^[a-z][a-z0-9_-]{0,30}$/.test(text))
    throw new InvalidArgumentError('Expected lower-case letters, digits, - and _.');
  return text;
}
