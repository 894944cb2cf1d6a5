/** Aborts at the first SIGTERM or SIGINT; later ones change nothing, so that an impatient Ctrl-C does not cut the end short. */
export function untilTold(): AbortSignal {
  const told = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => told.abort());
  return told.signal;
}
