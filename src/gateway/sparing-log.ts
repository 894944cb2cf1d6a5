/**
 * A log for what strangers can cause: so many lines a minute, and then how many there were more. A disk must not fill
 * with what somebody says who need not even prove who they are.
 */
export function createSparingLog(
  log: (line: string) => void,
  monotonic: () => number,
  most = 20,
): (line: string) => void {
  let since = Number.NEGATIVE_INFINITY;
  let said = 0;
  return (line) => {
    if (monotonic() - since >= 60_000) {
      if (said > most) log(`${said - most} lines like these were left out`);
      since = monotonic();
      said = 0;
    }
    said += 1;
    if (said <= most) log(line);
  };
}
