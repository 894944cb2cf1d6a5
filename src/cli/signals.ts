/** Aborts at the first SIGTERM or SIGINT; later ones change nothing, so that an impatient Ctrl-C does not cut the end short. */
export function untilTold(): AbortSignal {
  const told = new AbortController();
  // A log on a full disk can't be written: that must not end what keeps the apps.
  process.stderr.on('error', () => undefined);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => told.abort());
  return told.signal;
}
