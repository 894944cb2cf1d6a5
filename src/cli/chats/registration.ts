import { renderUnicodeCompact } from 'uqr';
import { FettleError } from '../../domain/errors.ts';
import type { ChatCommand, ChatFlags } from './contract.ts';
import type { Present } from './plan.ts';
import { agrees } from './prompts.ts';

/** A Feishu app that a scan makes, with its permissions and events, where the company allows it. The other way is by hand. */

export interface Registered {
  readonly appId: string;
  readonly secret: string;
  readonly domain: string;
}

/** `undefined`: it was not wanted. @throws {FettleError} where it was asked for by a flag, and did not come about */
export async function offerRegistration(
  flags: ChatFlags,
  { chats, configured, stored, file }: Present,
  { prompts, environment, signal }: ChatCommand,
  say: (line: string) => void,
): Promise<Registered | undefined> {
  if (!flags.qr && (!prompts || flags.appId !== undefined || configured)) return undefined;
  if (!flags.qr && prompts) {
    say('  1  scan a QR code with Feishu or Lark: it makes the app, with all it needs');
    say('  2  make the app by hand, and give its id and secret');
    for (;;) {
      const answer = (await prompts.ask('Which? [1] ')).trim();
      if (answer === '2') return undefined;
      if (answer === '' || answer === '1') break;
      say('Expected 1 or 2.');
    }
  }
  if (flags.dryRun)
    throw new FettleError('bad_arguments', { data: { reason: '--qr with --dry-run: a scan makes an app' } });
  // Before the app is made: its secret is given once.
  if ((configured || stored !== undefined) && !flags.replace) {
    if (!prompts)
      throw new FettleError('bad_arguments', {
        data: { reason: `${file} has Feishu already, and its secret would be replaced: --replace does that` },
      });
    if (!(await agrees(prompts, `${file} has Feishu already. Replace it with a new app?`, false))) return undefined;
  }
  const { registerFeishu } = await import('../../../adapters/feishu/register.ts');
  try {
    const { appId, appSecret, domain } = await registerFeishu({
      domain: flags.domain ?? chats.feishu?.domain,
      proxy: flags.proxy,
      environment: environment.all,
      signal,
      onQr(url, expiresInS) {
        for (const line of renderUnicodeCompact(url).split('\n')) say(line);
        say(`Scan it with Feishu or Lark (make the window larger where it does not fit), or open ${url}`);
        say(`It is good for ${Math.round(expiresInS / 60)} minutes. Ctrl-C ends this.`);
      },
    });
    say(`The app ${appId} is made.`);
    return { appId, secret: appSecret, domain };
  } catch (error) {
    signal.throwIfAborted();
    if (flags.qr || !prompts) throw error;
    const { showError } = await import('../show-error.ts');
    say(await showError(error));
    say('By hand, then:');
    return undefined;
  }
}
