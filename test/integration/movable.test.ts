import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withData } from '../../agent/install/index.ts';
import { refuseUnmovable } from '../../agent/updater/movable.ts';
import { AppSchema } from '../../config/agent-schema.ts';
import { homeLayout } from '../../config/home.ts';

/** Data that could not be brought back is refused before anything is touched. Needs the right to mount. */

const base = mkdtempSync(join(tmpdir(), 'fettle-movable-'));
const mounted: string[] = [];
function mount(place: string, ...args: string[]): void {
  mkdirSync(place, { recursive: true });
  execFileSync('mount', [...args, place], { stdio: 'pipe' });
  mounted.push(place);
}
function unmount(): void {
  for (const place of mounted.splice(0).reverse()) execFileSync('umount', [place]);
}

const refusal = (() => {
  try {
    mount(join(base, 'try'), '-t', 'tmpfs', 'tmpfs');
    unmount();
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
})();

describe.skipIf(refusal !== undefined)(`what is kept${refusal ? ` (not run: ${refusal})` : ''}`, () => {
  let home: string;
  beforeEach(() => {
    home = join(base, 'home');
    mkdirSync(home, { recursive: true });
  });
  afterEach(() => {
    unmount();
    rmSync(base, { recursive: true, force: true });
  });

  const look = (more: object) => {
    const config = AppSchema.parse({ run: 'x', keep: ['data'], ...more });
    const folder = withData(homeLayout(home, base).app('app'), config);
    mkdirSync(join(folder.dir, 'shared'), { recursive: true });
    return refuseUnmovable({ app: 'app', config, folder });
  };
  const data = () => join(home, 'apps', 'app', 'shared', 'data');
  const refused = expect.objectContaining({ code: 'other_filesystem' });

  it('may be there or not yet', () => {
    look({});
    mkdirSync(data());
    look({});
    look({ binary: join(base, 'opt', 'robot') });
  });

  it.each([
    ['a mount point', () => mount(data(), '-t', 'tmpfs', 'tmpfs')],
    ['a mount point of the same file system', () => mount(data(), '--bind', base)],
    ['a folder with a mount point in it', () => mount(join(data(), 'deep', 'er with space'), '-t', 'tmpfs', 'tmpfs')],
    ['below a mount point', () => mount(join(data(), '..'), '-t', 'tmpfs', 'tmpfs')],
  ])('may not be %s', (_name, make) => {
    make();
    expect(() => look({})).toThrow(refused);
    // What is not backed up is never moved.
    look({ backup: [] });
  });

  it('may not be on another file system than the home, where an executable has it elsewhere', () => {
    const elsewhere = join(base, 'elsewhere');
    mount(elsewhere, '-t', 'tmpfs', 'tmpfs');
    expect(() => look({ binary: join(base, 'opt', 'robot'), data: elsewhere })).toThrow(refused);
  });
});
