import { constants, existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { type Elf, readElf } from './elf.ts';

/** Is a file a program that this machine can run? Found out by looking at it alone: nothing of it is run. */

/** What a file is. `wrong` says why it is no program for this machine; `for` which platform it is for instead. */
export type Program =
  | { readonly kind: 'elf'; readonly platform: string; readonly wrong?: undefined }
  | { readonly kind: 'script'; readonly wrong?: undefined }
  | { readonly kind: 'other'; readonly wrong: string; readonly for?: string | undefined };

export interface Machine {
  /** Node's `process.arch`. */
  readonly arch: string;
  /** What ran here before, and so runs here: another machine's programs, by an emulator or in 32 bits. */
  readonly alsoRuns?: string | undefined;
  /** Are interpreters looked for? They are where the program is to run; not where it is published. */
  readonly interpreters: boolean;
}

/** `linux-x64` for a file of this machine. */
export function thisMachine(): Machine {
  return { arch: process.arch, interpreters: true };
}

/** Enough for an ELF header, a `#!` line, and to tell a web page. */
const HEAD = 4_096;

/**
 * Looks at a program: ELF (class, byte order, machine, whole, its interpreter there), or a script with `#!`.
 * @throws the system's error where it can't be read
 */
export async function inspectProgram(path: string, machine: Machine): Promise<Program> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const { size } = await file.stat();
    const head = await read(file, 0, Math.min(size, HEAD));
    if (size === 0) return other('it is empty');
    if (head.toString('latin1', 0, 4) === '\x7fELF') return await inspectElf(file, head, size, machine);
    if (head.toString('latin1', 0, 2) === '#!') return inspectScript(head, machine);
    return foreign(head);
  } finally {
    await file.close();
  }
}

async function inspectElf(file: FileHandle, head: Buffer, size: number, machine: Machine): Promise<Program> {
  const elf = await readElf(head, size, (at, length) => read(file, at, length));
  if ('wrong' in elf) return other(elf.wrong);
  const platform = `${elf.system}-${elf.arch}`;
  if (elf.system !== 'linux' || !fits(elf, machine)) {
    if (platform !== machine.alsoRuns) {
      const here = `linux-${machine.arch}`;
      return { kind: 'other', wrong: `it is for ${platform}; this device is ${here}`, for: platform };
    }
  }
  if (machine.interpreters && elf.interpreter !== undefined && !existsSync(elf.interpreter)) {
    const musl = elf.interpreter.includes('musl');
    const built = musl ? 'it was built for musl (Alpine)' : 'it was built for another distribution';
    return other(`it needs ${elf.interpreter}, which this device does not have: ${built}`);
  }
  return { kind: 'elf', platform };
}

function fits({ arch, order }: Elf, machine: Machine): boolean {
  return arch === machine.arch && order === endianness();
}

function inspectScript(head: Buffer, machine: Machine): Program {
  const line = head.toString('utf8', 2, Math.min(head.length, 258)).split('\n')[0] ?? '';
  if (line.endsWith('\r'))
    return other('it is a script with the line ends of Windows, which no interpreter is found by');
  const interpreter = line.trim().split(/\s+/)[0] ?? '';
  if (!interpreter.startsWith('/')) return other('it is a script whose first line names no interpreter');
  if (machine.interpreters && !existsSync(interpreter)) {
    return other(`it is a script for ${interpreter}, which this device does not have`);
  }
  return { kind: 'script' };
}

const WEB_PAGE = 'it is a web page, not a program: the address asks for a sign-in, or does not exist';
const MACH_O = ['cffaedfe', 'cefaedfe', 'cafebabe'];
const PACKED: readonly (readonly [string, string])[] = [
  ['1f8b', 'gzip'],
  ['504b0304', 'zip'],
  ['28b52ffd', 'zstd'],
  ['fd377a58', 'xz'],
  ['425a68', 'bzip2'],
];

/** What else it may be, so that people see what went wrong. */
function foreign(head: Buffer): Program {
  const hex = head.toString('hex', 0, 8);
  const text = head
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trimStart()
    .slice(0, 200)
    .toLowerCase();
  if (/^(<!doctype|<html|<head|<\?xml|<!--|<body)/.test(text)) return other(WEB_PAGE);
  if (text.startsWith('version https://git-lfs')) return other('it is a pointer of Git LFS, not the program itself');
  if (hex.startsWith('4d5a')) return { ...other('it is a program for Windows'), for: 'win32' };
  if (MACH_O.some((magic) => hex.startsWith(magic))) return { ...other('it is a program for macOS'), for: 'darwin' };
  const packed = PACKED.find(([magic]) => hex.startsWith(magic));
  if (packed) return other(`it is packed (${packed[1]}), and its name does not say so`);
  return other('it is no program: it begins neither as an ELF file nor with #!');
}

const other = (wrong: string) => ({ kind: 'other', wrong }) as const;

async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, at);
  return buffer.subarray(0, bytesRead);
}
