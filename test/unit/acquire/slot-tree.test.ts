import { describe, expect, it } from 'vitest';
import { createSlotTree, entryParts } from '../../../agent/acquire/slot-tree.ts';

const tree = (caseSensitive = true, maxEntries = 1_000) => createSlotTree({ caseSensitive, maxEntries });

describe('entryParts', () => {
  it('leaves out what says nothing', () => expect(entryParts('./a//b/./c/')).toEqual(['a', 'b', 'c']));
  it.each(['/etc/passwd', '../x', 'a/../../x', 'a/..', 'a\0b', 'x'.repeat(256), `${'a/'.repeat(600)}b`])(
    'refuses %j',
    (name) => expect(() => entryParts(name)).toThrow('artifact_invalid'),
  );
});

describe('the tree', () => {
  it('says which folders are to be made, once', () => {
    const t = tree();
    expect(t.file('a/b/c')).toEqual(['a', 'a/b']);
    expect(t.file('a/b/d')).toEqual([]);
    expect(t.folder('a/b')).toEqual([]);
  });

  it('refuses a name twice, a file for a folder, and a folder for a file', () => {
    const t = tree();
    t.file('a');
    t.folder('d');
    expect(() => t.file('./a')).toThrow(/twice/);
    expect(() => t.file('a/b')).toThrow(/file where it needs a folder/);
    expect(() => t.folder('a')).toThrow(/file where it needs a folder/);
    expect(() => t.file('d')).toThrow(/twice/);
  });

  it('refuses to write through a link, and to replace one', () => {
    const t = tree();
    t.link('l', 'd');
    expect(() => t.file('l/x')).toThrow(/through a link/);
    expect(() => t.file('l')).toThrow(/twice/);
    expect(() => t.folder('l')).toThrow(/through a link/);
  });

  it('takes names that differ in case only for one where the file system does', () => {
    const t = tree(false);
    t.link('Link', 'd');
    expect(() => t.file('LINK/x')).toThrow(/through a link/);
    t.file('\u00e9');
    expect(() => t.file('e\u0301')).toThrow(/twice/);
    const sensitive = tree();
    sensitive.file('Makefile');
    expect(sensitive.file('makefile')).toEqual([]);
  });

  it('counts folders and links too', () => {
    const t = tree(true, 3);
    t.file('a/b');
    t.link('c', 'a');
    expect(() => t.file('d')).toThrow(/more than 3/);
  });

  it.each([
    [[['l', '..']]],
    [[['a/l', '../..']]],
    [[['l', 'a/../../x']]],
    // lexically inside, really not: by way of another link
    [
      [
        ['a/up', '..'],
        ['b', 'a/up/..'],
      ],
    ],
    [
      [
        ['b', 'a/up/..'],
        ['a/up', '..'],
      ],
    ],
    [
      [
        ['x/y', 'z'],
        ['x/z', '../w'],
        ['w', 'x/y/../..'],
      ],
    ],
    [
      [
        ['one', 'two'],
        ['two', 'one'],
      ],
    ],
  ] as [string, string][][][])('refuses links %j', (links) => {
    const t = tree();
    for (const [path, target] of links) t.link(path, target);
    expect(() => t.links()).toThrow('artifact_invalid');
  });

  it.each(['/etc', '', 'a\0'])('refuses the target %j at once', (target) => {
    expect(() => tree().link('l', target)).toThrow('artifact_invalid');
  });

  it('takes links that stay inside, hanging ones too', () => {
    const t = tree();
    t.link('node_modules/.bin/x', '../x/cli.js');
    t.link('current', 'releases/../node_modules');
    t.link('a/up', '..');
    t.link('b', 'a/up/a');
    expect(t.links()).toHaveLength(4);
  });
});
