import type { Command } from 'commander';
import type { HomeLayout } from '../../config/home.ts';

/** The long-lived processes, each alone: the help of them, and what is asked of them beside running. */
export function addRoleCommands(program: Command, layout: () => HomeLayout, config: () => string | undefined): void {
  for (const [role, what] of [
    ['keeper', 'the parent of everything that is kept on this device'],
    ['hub', 'the server: chats, commands, store'],
    ['agent', 'what carries out updates on this device'],
  ] as const) {
    const command = program.command(role).description(`run ${what}, alone (\`up\` starts all three)`);
    if (role === 'agent') {
      command
        .option(
          '--check [file]',
          "do not run: say in sentences what the device's file allows, and warn of what is wide open",
        )
        .addHelpText(
          'after',
          '\nWith --check, exit code 1 where something is wrong. Unless given, the file is that of the home.',
        );
    }
    command.action(async (options: { check?: string | true }) => {
      const { runRole } = await import('./role.ts');
      const check = options.check === undefined ? [] : ['--check', ...(options.check === true ? [] : [options.check])];
      const file = config();
      await runRole(role, ['--home', layout().home, ...(file === undefined ? [] : ['--config', file]), ...check]);
    });
  }
}
