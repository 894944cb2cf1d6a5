import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { endOnCrash } from '../../../src/cli/crash.ts';
import { createRedactor } from '../../../src/domain/redact.ts';

test('what nobody caught is logged with its causes and without secrets, and ends the process', () => {
  const token = `123456789:${'s3cret-'.repeat(5)}`;
  const ends: unknown[] = [];
  const said: string[] = [];
  const one = Object.assign(new EventEmitter(), { exit: (code: unknown) => ends.push(code) as never });
  const redact = createRedactor({ secrets: [token] });
  endOnCrash(one as never, (line) => said.push(redact(line)));
  const cause = Object.assign(new Error('refused'), { url: `https://api.telegram.org/bot${token}/getMe` });
  one.emit('uncaughtException', new Error('the call failed', { cause }));
  expect(said).toEqual([expect.stringMatching(/^crashed Error: the call failed[\s\S]*refused/)]);
  expect(said.join()).not.toContain('s3cret');
  expect(ends).toEqual([1]);
});
