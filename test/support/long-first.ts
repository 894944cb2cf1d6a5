import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take a minute and more, the longest first. A file is one worker's from its start to its end, so a long one
 * that comes last is waited for alone. What is not named follows in vitest's own order.
 */
const LONG = [
  'test/e2e/chat-faults.test.ts',
  'test/e2e/trust-offline.test.ts',
  'test/e2e/enrol-service.test.ts',
  'test/e2e/clones.test.ts',
  'test/e2e/self-update.test.ts',
  'test/e2e/chat-self-update.test.ts',
  'test/e2e/chat-telegram.test.ts',
  'test/e2e/chat-feishu.test.ts',
  'test/e2e/chat-discord.test.ts',
  'test/e2e/chat-away.test.ts',
  'test/integration/rescue.test.ts',
  'test/crash/restore.test.ts',
  'test/crash/states.test.ts',
  'test/e2e/first-run.test.ts',
  'test/e2e/service-users.test.ts',
  'test/e2e/under-load.test.ts',
  'test/crash/self-update.test.ts',
  'test/integration/restore.test.ts',
  'test/e2e/hands-off.test.ts',
  'test/e2e/rescue.test.ts',
  'test/e2e/github.test.ts',
  'test/integration/fuzz-protocol.test.ts',
];

/** The order in which test files are begun. */
export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = LONG.findIndex((name) => moduleId.endsWith(name));
      return index < 0 ? LONG.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
