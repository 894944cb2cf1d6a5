import { type Command, InvalidArgumentError } from 'commander';
import type { HomeLayout } from '../../../config/home.ts';
import { readDuration } from '../../domain/duration.ts';

/** `fettle audit …`: the logs of who did what, at the hub and on devices. Reads only; works beside a hub that runs. */
export function addAuditCommands(program: Command, { layout }: { readonly layout: () => HomeLayout }): void {
  const audit = program
    .command('audit')
    .description('check and export the audit log: who did what, where, when, and what came of it');
  audit
    .command('verify')
    .description("check that no entry of the hub's log, or of a device's, was changed or removed, and that they agree")
    .argument('[file...]', 'logs taken from devices by hand: more to be trusted than the copies that the hub has')
    .option('--since <when>', 'what is older is told, and is no failure: 2026-05-01, 30d, 12h', when)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
On the hub's machine it compares: every order that the hub sent was received, or it is known why not; every order that a
device took was sent by this hub; both say the same of the results; and the hub's log still is what devices saw of it.
On a device without a hub it checks the chain of the device's own log.

Exit code 0: nothing is wrong; 1: something is, and what; 2: there is no log.`,
    )
    .action(async (files: string[], options: { since?: number; json?: boolean }) => {
      const { verifyAudit } = await import('./verify.ts');
      process.exitCode = await verifyAudit({
        layout: layout(),
        files,
        since: options.since,
        json: options.json === true,
        print: (line) => console.log(line),
      });
    });
  audit
    .command('export')
    .description("print the hub's log, oldest first; on a device without a hub, the device's own")
    .option('--device <name>', 'of this device instead, exactly as it told it; for `fettle audit verify FILE`')
    .option('--since <when>', 'only from then on: 2026-05-01, 30d, 12h', when)
    .option('--json', 'one JSON object a line (as it is without --csv)')
    .option('--csv', 'for spreadsheets, with a line of names')
    .action(async (options: { device?: string; since?: number; csv?: boolean }) => {
      const { exportAudit } = await import('./export.ts');
      const { device, since, csv } = options;
      const problem = exportAudit({
        layout: layout(),
        device,
        since,
        csv: csv === true,
        write: (line) => process.stdout.write(`${line}\n`),
      });
      if (problem === undefined) return;
      console.error(problem);
      process.exitCode = 2;
    });
}

function when(text: string): number {
  const ago = readDuration(text);
  const at = ago === undefined ? Date.parse(text) : Date.now() - ago;
  if (!Number.isFinite(at))
    throw new InvalidArgumentError('Expected a day such as 2026-05-01, or a time ago such as 30d.');
  return at;
}
