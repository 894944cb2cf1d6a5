import type { RandomBytes } from '../domain/id.ts';
import type { AgentMessage, BackupReport, StrangeBackup } from '../protocol/messages.ts';
import type { Gateway } from './gateway.ts';
import { createQuestions } from './questions.ts';

export interface BackupsOfApp {
  readonly backups: readonly BackupReport[];
  /** What lies among them and can't be put back. */
  readonly strange: readonly StrangeBackup[];
}

/** Asks devices which backups they have. Nothing is kept here: they come and go on the device. */
export interface BackupReader {
  /** Newest first. @throws {FettleError} `device_offline` or what the device says */
  list(device: string, name: string, app: string, signal: AbortSignal): Promise<BackupsOfApp>;
  /** An answer came in. False where nobody waits for it from this device. */
  answer(device: string, message: Extract<AgentMessage, { type: 'backups' }>): boolean;
}

export function createBackupReader(gateway: () => Pick<Gateway, 'send'>, random: RandomBytes): BackupReader {
  const questions = createQuestions<Extract<AgentMessage, { type: 'backups' }>>(gateway, random, 'b');
  return {
    async list(device, name, app, signal) {
      const of = { device, name, app };
      const { backups, strange = [] } = await questions.ask(
        of,
        (request) => ({ type: 'list-backups', request, app }),
        signal,
      );
      return { backups, strange };
    },
    answer: questions.answer,
  };
}
