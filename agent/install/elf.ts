/** The headers of an ELF file (elf(5)), as far as they say where it runs and whether it is whole. */

export interface Elf {
  /** Node's name for it; `machine N` for one that Node does not know. */
  readonly arch: string;
  readonly order: 'LE' | 'BE';
  readonly system: string;
  /** What loads it; `undefined`: it is static. */
  readonly interpreter?: string | undefined;
}

/** e_machine and bits → Node's `process.arch`. */
const MACHINES: Readonly<Record<string, string>> = {
  '62/64': 'x64',
  '183/64': 'arm64',
  '40/32': 'arm',
  '3/32': 'ia32',
  '243/64': 'riscv64',
  '21/64': 'ppc64',
  '22/64': 's390x',
  '258/64': 'loong64',
  '8/32': 'mips',
};
/** EI_OSABI: 0 and 3 are Linux'. */
const SYSTEMS: Readonly<Record<number, string>> = { 2: 'netbsd', 6: 'sunos', 9: 'freebsd', 12: 'openbsd' };

const [PT_LOAD, PT_INTERP] = [1, 3];
const CUT_OFF = 'it is cut off: its end is missing';
/** More program headers than any linker makes. */
const MAX_SEGMENTS = 4_096;
const MAX_INTERPRETER = 4_096;

/** @param read bytes of the file; fewer than asked for at its end */
export async function readElf(
  head: Buffer,
  size: number,
  read: (at: number, length: number) => Promise<Buffer>,
): Promise<Elf | { readonly wrong: string }> {
  const [bits, order] = [head[4] === 2 ? 64 : 32, head[5] === 2 ? 'BE' : 'LE'] as const;
  const headerSize = bits === 64 ? 64 : 52;
  if (head.length < headerSize) return { wrong: CUT_OFF };
  if (![1, 2].includes(head[4] ?? 0) || ![1, 2].includes(head[5] ?? 0)) return { wrong: 'its ELF header is damaged' };
  const at = reader(head, order);
  const wide = bits === 64;
  const word = (offset32: number, offset64: number) => (wide ? at.u64(offset64) : at.u32(offset32));
  const type = at.u16(16);
  if (type === 1) return { wrong: 'it is an object file (.o), not a program' };
  if (type === 4) return { wrong: 'it is the core dump of a program' };
  if (type !== 2 && type !== 3) return { wrong: 'its ELF header is damaged' };
  const machine = `${at.u16(18)}/${bits}`;
  const known = MACHINES[machine] ?? `machine-${machine.replace('/', '-')}`;
  const little = order === 'LE' && known === 'mips' ? 'mipsel' : known;
  const [entry, segmentsAt, sectionsAt] = [word(24, 24), word(28, 32), word(32, 40)];
  const [segmentSize, segments] = [at.u16(wide ? 54 : 42), at.u16(wide ? 56 : 44)];
  const [sectionSize, sections] = [at.u16(wide ? 58 : 46), at.u16(wide ? 60 : 48)];
  if (segments === 0 || segments > MAX_SEGMENTS || segmentSize < (wide ? 56 : 32))
    return { wrong: 'its ELF header is damaged' };
  if (segmentsAt + segments * segmentSize > size) return { wrong: CUT_OFF };
  if (sectionsAt !== 0 && sectionsAt + sections * sectionSize > size) return { wrong: CUT_OFF };
  const table = await read(segmentsAt, segments * segmentSize);
  if (table.length < segments * segmentSize) return { wrong: CUT_OFF };
  let interpreter: string | undefined;
  for (let index = 0; index < segments; index += 1) {
    const header = reader(table.subarray(index * segmentSize, (index + 1) * segmentSize), order);
    const kind = header.u32(0);
    const [from, length] = wide ? [header.u64(8), header.u64(32)] : [header.u32(4), header.u32(16)];
    if (kind !== PT_LOAD && kind !== PT_INTERP) continue;
    if (from + length > size) return { wrong: CUT_OFF };
    if (kind !== PT_INTERP) continue;
    if (length > MAX_INTERPRETER) return { wrong: 'its ELF header is damaged' };
    interpreter = (await read(from, length)).toString('latin1').replace(/\0.*$/s, '');
  }
  if (entry === 0 && interpreter === undefined) return { wrong: 'it is a library, not a program' };
  return { arch: little, order, system: SYSTEMS[head[7] ?? 0] ?? 'linux', interpreter };
}

function reader(buffer: Buffer, order: 'LE' | 'BE') {
  return order === 'LE'
    ? {
        u16: (at: number) => buffer.readUInt16LE(at),
        u32: (at: number) => buffer.readUInt32LE(at),
        // Past 2^53 it is larger than any file, which is all that is asked.
        u64: (at: number) => Number(buffer.readBigUInt64LE(at)),
      }
    : {
        u16: (at: number) => buffer.readUInt16BE(at),
        u32: (at: number) => buffer.readUInt32BE(at),
        u64: (at: number) => Number(buffer.readBigUInt64BE(at)),
      };
}
