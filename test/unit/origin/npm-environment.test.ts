import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cleanNpmEnvironment, npmrcFiles, writeNpmrc } from '../../../src/origin/npm-environment.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-npmrc-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** `${NAME}`, as an npmrc has it. */
const hole = (name: string) => ['$', '{', name, '}'].join('');

describe('cleanNpmEnvironment', () => {
  it('keeps what a child needs and nothing that steers npm or Node', () => {
    const env = {
      PATH: '/usr/bin',
      HOME: '/home/me',
      LC_ALL: 'C',
      HTTPS_PROXY: 'http://p:1',
      no_proxy: 'x',
      NODE_EXTRA_CA_CERTS: '/ca.pem',
      NODE_OPTIONS: '--require /evil.js',
      npm_config_ignore_scripts: 'false',
      NPM_TOKEN: 'secret',
      FETTLE_HOME: '/f',
      INIT_CWD: '/x',
    };
    expect(cleanNpmEnvironment(env, '/opt/node/bin/node')).toEqual({
      PATH: '/opt/node/bin:/usr/bin',
      HOME: '/home/me',
      LC_ALL: 'C',
      HTTPS_PROXY: 'http://p:1',
      no_proxy: 'x',
      NODE_EXTRA_CA_CERTS: '/ca.pem',
    });
  });
});

describe('writeNpmrc', () => {
  const write = (files: string[], env: Record<string, string> = {}) => {
    const from = files.map((text, i) => {
      const file = join(folder, `in-${i}`);
      writeFileSync(file, text);
      return file;
    });
    const file = writeNpmrc({ file: join(folder, 'ours', 'npmrc'), env, from });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    return readFileSync(file, 'utf8');
  };

  it('carries what concerns the registry, and nothing else', () => {
    const text = write([
      [
        '; a comment',
        '# another',
        'registry = https://r.example/npm/',
        '@me:registry=https://mine.example/',
        '//mine.example/:_authToken=abc',
        '//r.example/npm/:_auth = "bWU6eA=="',
        '//r.example/:certfile=/c.pem',
        'cafile=/ca.pem',
        'ca[]="one\\ntwo"',
        "ca[]='three'",
        'proxy=http://p:1',
        'strict-ssl=false ; why not',
        'ignore-scripts=false',
        'prefix=/elsewhere',
        'omit=optional',
        'before=2020-01-01',
        'script-shell=/evil',
        '_authToken=global',
        'init-author-name=Me',
      ].join('\n'),
    ]);
    expect(text.trim().split('\n')).toEqual([
      'registry=https://r.example/npm/',
      '@me:registry=https://mine.example/',
      '//mine.example/:_authToken=abc',
      '//r.example/npm/:_auth=bWU6eA==',
      '//r.example/:certfile=/c.pem',
      'cafile=/ca.pem',
      'ca[]="one\\ntwo"',
      'ca[]=three',
      'proxy=http://p:1',
      'strict-ssl=false',
    ]);
  });

  it('expands variables as npm does', () => {
    const text = write(
      [
        `//a/:_authToken=${hole('TOKEN')}`,
        `//b/:_authToken=${hole('NONE')}`,
        `//c/:_authToken=x${hole('NONE?')}y`,
        `//d/:_authToken=\\${hole('TOKEN')}`,
      ].map((line) => `${line}\n`),
      { TOKEN: 'se.cret' },
    );
    expect(text.split('\n')).toEqual([
      '//a/:_authToken=se.cret',
      String.raw`//b/:_authToken="\\${hole('NONE')}"`,
      '//c/:_authToken=xy',
      String.raw`//d/:_authToken="\\${hole('TOKEN')}"`,
      '',
    ]);
  });

  it('lets the user win over the global file, and the environment over both', () => {
    const env = { npm_config_registry: 'https://env/', NPM_CONFIG_CAFILE: '/env.pem', npm_config_omit: 'dev' };
    expect(write(['registry=https://global/\nproxy=http://g', 'registry=https://user/'], env)).toBe(
      'registry=https://env/\nproxy=http://g\ncafile=/env.pem\n',
    );
  });

  it('counts unreadable files as absent', () => {
    const file = writeNpmrc({ file: join(folder, 'ours'), env: {}, from: [join(folder, 'none'), folder] });
    expect(readFileSync(file, 'utf8')).toBe('');
  });
});

describe('npmrcFiles', () => {
  it('finds the global file of the Node that comes first in PATH last, and then the user’s', () => {
    for (const [place, node] of [
      ['a', 'a/real/bin/node'],
      ['b', 'b/bin/node'],
    ] as const) {
      mkdirSync(join(folder, place, 'bin'), { recursive: true });
      mkdirSync(join(folder, node, '..'), { recursive: true });
      writeFileSync(join(folder, node), '');
    }
    symlinkSync(join(folder, 'a/real/bin/node'), join(folder, 'a/bin/node'));
    const PATH = `${join(folder, 'a/bin')}:${join(folder, 'b/bin')}:${join(folder, 'nothing')}`;
    expect(npmrcFiles({ PATH, HOME: '/home/me' })).toEqual([
      join(folder, 'b/etc/npmrc'),
      join(folder, 'a/real/etc/npmrc'),
      join(folder, 'a/etc/npmrc'),
      '/home/me/.npmrc',
    ]);
  });
  it('goes by npm’s own variables where they are set', () => {
    const env = { PATH: '/usr/bin', HOME: '/h', npm_config_userconfig: '/u', NPM_CONFIG_GLOBALCONFIG: '/g' };
    expect(npmrcFiles(env)).toEqual(['/g', '/u']);
  });
});
