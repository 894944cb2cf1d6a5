#!/usr/bin/env node
/**
 * The `fettle` command. Loads nothing but what the subcommand needs: first this check, because native code of a
 * dependency would crash an old Node before it could say why.
 */
const NEEDED = [22, 18] as const;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(
    `Fettle needs Node.js ${NEEDED.join('.')} or newer; this is ${process.versions.node}. ` +
      'Start it with `npm start` (which brings a Node of its own), or install a newer Node.',
  );
  process.exit(2);
} else if (process.platform !== 'linux') {
  console.error(`Fettle does not run on ${process.platform} yet: its keeper reads /proc. Use Linux.`);
  process.exit(2);
} else {
  const [, , role, ...rest] = process.argv;
  const long = role === 'keeper' || role === 'agent' || role === 'hub';
  // Long-lived processes stay small: they skip the command line's library.
  if (long && !rest.includes('--help') && !rest.includes('-h')) {
    const { runRole } = await import('./cli/role.ts');
    await runRole(role, rest);
  } else {
    const { runProgram } = await import('./cli/program.ts');
    await runProgram(process.argv);
  }
}
