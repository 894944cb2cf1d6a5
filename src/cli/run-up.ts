import { createInterface } from 'node:readline/promises';
import { askStatus } from '../../adapters/terminal/index.ts';
import type { Environment } from '../../config/environment.ts';
import type { HomeLayout } from '../../config/home.ts';
import { runChat } from './chat.ts';
import { isEnrolled } from './enrolled.ts';
import { inputKind, startAll } from './up.ts';

export interface RunUpOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  readonly detach: boolean;
}

/** Two Ctrl-C within this count once: terminals and npm deliver it to the whole group, people press it twice. */
const TWICE_MS = 1_000;

/** `fettle up`: starts all, then is the chat. Answers the exit code. */
export async function runUp(options: RunUpOptions): Promise<number> {
  const { environment, layout } = options;
  const device = isEnrolled(layout);
  const kind = options.detach || device ? 'nobody' : inputKind();
  const say = (line: string) => console.log(line);
  // A signal while things start is kept until there is something to stop.
  const told = new AbortController();
  let last = Number.NEGATIVE_INFINITY;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const now = performance.now();
      if (now - last > TWICE_MS) told.abort();
      last = now;
    });
  }
  const running = await startAll({ ...options, say, signal: told.signal });
  if (options.detach && device) {
    say('This device is running in the background. `fettle status` shows its apps, `fettle down` ends everything.');
    running.leave();
    return 0;
  }
  if (options.detach) {
    say('Fettle is running in the background. `fettle chat` opens the chat, `fettle down` ends everything.');
    if (await isUnclaimed(layout)) say('The chats have no admin yet: `fettle claim`');
    running.leave();
    return 0;
  }
  try {
    if (kind === 'nobody') {
      say(
        device
          ? 'This device is running; its hub is elsewhere. SIGTERM ends everything.'
          : 'Fettle is running. `fettle chat` opens the chat; SIGTERM ends everything.',
      );
      await new Promise<void>((resolve) =>
        told.signal.aborted ? resolve() : told.signal.addEventListener('abort', () => resolve(), { once: true }),
      );
      return 0;
    }
    if (kind !== 'script' && (await isUnclaimed(layout))) say('The chats have no admin yet: `fettle claim`');
    if (kind === 'terminal') {
      say('Type /update to see what there is, /update now web to update, /help for everything. Ctrl-D leaves.');
      say('');
    }
    for (;;) {
      const code = await runChat({
        socket: layout.runtime.hubSocket,
        input: process.stdin,
        output: process.stdout,
        language: environment.language ?? running.loaded.config.language,
        color: environment.color,
        script: kind === 'script',
        onlyAnswers: true,
        signal: told.signal,
      });
      if (kind !== 'terminal' || told.signal.aborted || (await mayLeave(Object.keys(running.loaded.config.apps))))
        return code;
    }
  } finally {
    if (kind === 'terminal') say('Stopping …');
    await running.stop();
  }
}

/** Are there chats, and is none of their people an admin? */
async function isUnclaimed({ runtime }: HomeLayout): Promise<boolean> {
  const status = await askStatus(runtime.hubSocket, 2_000).catch(() => undefined);
  return status?.unclaimed === true;
}

/** Leaving stops the apps that were started here, so it is asked first. No answer (Ctrl-D again) means yes. */
async function mayLeave(apps: readonly string[]): Promise<boolean> {
  if (apps.length === 0) return true;
  const ask = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answered = Promise.withResolvers<string>();
    ask.on('close', () => answered.resolve('y'));
    void ask
      .question(`Leaving stops ${apps.join(', ')} as well (\`fettle up --detach\` does not). Leave? [Y/n] `)
      .then(answered.resolve, () => answered.resolve('y'));
    const answer = (await answered.promise).trim();
    // What is no yes ends nothing: leaving can be asked for again, a stop can't be taken back.
    return answer === '' || /^(y|yes|是)$/i.test(answer);
  } finally {
    ask.close();
  }
}
