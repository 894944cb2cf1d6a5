/** Which C library this machine's programs find: files for the other one do not start. */
export function machineLibc(): 'gnu' | 'musl' {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined ? 'musl' : 'gnu';
}
