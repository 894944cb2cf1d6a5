import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findUser, makeReachable, type User } from '../../agent/restart/user.ts';
import { type HomeLayout, homeLayout } from '../../config/home.ts';

/** What an app's user puts where its data was must not become a way to what is root's. */

let folder: string;
let layout: HomeLayout;
let shared: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-user-links-'));
  layout = homeLayout(join(folder, 'home'), join(folder, 'run'));
  ({ shared } = layout.app('app'));
  mkdirSync(join(shared, 'data', 'cache', 'deep'), { recursive: true });
  mkdirSync(layout.app('app').releases, { recursive: true });
  mkdirSync(join(folder, 'var', 'cache', 'deep'), { recursive: true });
  writeFileSync(join(folder, 'var', 'cache', 'deep', 'of-root'), 'of root\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const uid = (...path: string[]) => statSync(join(folder, ...path)).uid;

describe.skipIf(process.geteuid?.() !== 0)('an app’s data is given to its user (only root can)', () => {
  const daemon = () => findUser('daemon') as User;

  test('whole, with the folders above it', () => {
    makeReachable(layout, 'app', daemon(), ['data/cache', 'not/there']);
    for (const path of ['', 'data', 'data/cache', 'data/cache/deep']) expect(statSync(join(shared, path)).uid).toBe(1);
  });

  test('also where an administrator has put all of it elsewhere', () => {
    renameSync(shared, join(folder, 'elsewhere'));
    symlinkSync(join(folder, 'elsewhere'), shared);
    makeReachable(layout, 'app', daemon(), ['data/cache']);
    expect(uid('elsewhere', 'data', 'cache', 'deep')).toBe(1);
  });

  test('but nothing that a link leads to, at whatever place in the path', () => {
    const instead = (at: string, to: string) => {
      rmSync(join(shared, at), { recursive: true });
      symlinkSync(join(folder, to), join(shared, at));
    };
    instead('data/cache/deep', 'var/cache/deep');
    makeReachable(layout, 'app', daemon(), ['data/cache/deep']);
    instead('data/cache', 'var/cache');
    makeReachable(layout, 'app', daemon(), ['data/cache']);
    instead('data', 'var');
    makeReachable(layout, 'app', daemon(), ['data/cache', 'data/cache/deep/of-root']);
    const owners = ['var', 'var/cache', 'var/cache/deep', 'var/cache/deep/of-root'].map((path) => uid(path));
    expect(owners).toEqual([0, 0, 0, 0]);
  });

  test('and no file that has a second name, which may be anywhere', () => {
    linkSync(join(folder, 'var', 'cache', 'deep', 'of-root'), join(shared, 'data', 'cache', 'mine'));
    makeReachable(layout, 'app', daemon(), ['data/cache']);
    expect(uid('var', 'cache', 'deep', 'of-root')).toBe(0);
  });
});
