/** Files with checksums, as `sha256sum`, `shasum -a 256` and BSD's `sha256` write them. Pure. */

/** Does a file have checksums in it, by its name? `SHA256SUMS`, `robot_1.2.0_checksums.txt`, `robot.tar.gz.sha256`. */
export function isChecksumFile(name: string): boolean {
  return /(^|[._-])(sha-?256sums?|sha-?256|checksums?)([._-](sha-?256|txt))*$/i.test(name);
}

/** What `NAME.sha256` is about, if it is about one file. */
export function subjectOf(name: string): string | undefined {
  return /^(.+)\.(sha256|sha256sum|sha256\.txt)$/i.exec(name)?.[1];
}

/**
 * Reads what a file says.
 *
 * @param alone the file that it is about, where it may be a hash and nothing else
 * @returns name → sha256 in lower-case hex. A name is without its folder (`./dist/robot`). Other algorithms' lines are
 *   passed over. Where a name has two different ones, it is in `twice`
 */
export function readChecksums(
  text: string,
  alone?: string | undefined,
): { readonly sums: ReadonlyMap<string, string>; readonly twice: readonly string[] } {
  const sums = new Map<string, string>();
  const twice: string[] = [];
  for (const raw of text.replace(/^\uFEFF/, '').split('\n')) {
    const line = raw.trim();
    // `HASH  NAME`, `HASH *NAME` (binary); `SHA256 (NAME) = HASH`.
    const [, before, named] = /^([0-9a-f]{64})[ \t]+\*?(.+)$/i.exec(line) ?? [];
    const [, bsd, after] = /^SHA-?256 ?\((.+)\) ?= ?([0-9a-f]{64})$/i.exec(line) ?? [];
    const only = /^[0-9a-f]{64}$/i.test(line) ? alone : undefined;
    const name = (named ?? bsd ?? only)?.split('/').at(-1);
    const sum = (before ?? after ?? (only === undefined ? undefined : line))?.toLowerCase();
    if (name === undefined || name === '' || sum === undefined) continue;
    const known = sums.get(name);
    if (known !== undefined && known !== sum) twice.push(name);
    sums.set(name, sum);
  }
  return { sums, twice };
}
