import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { APPROVER_MS, type Approver, LOCAL, refusal } from '../../../src/domain/approval.ts';
import { accountId, accountOf, foldName, readPerson } from '../../../src/domain/person.ts';
import { foldCode, newCode } from '../../../src/domain/person-code.ts';

describe('a person as typed', () => {
  test.each([
    ['telegram:123', { by: 'account', platform: 'telegram', person: '123' }],
    [
      'feishu:ou_7d8a6e6df7621556ce0d21922b676706',
      { by: 'account', platform: 'feishu', person: 'ou_7d8a6e6df7621556ce0d21922b676706' },
    ],
    ['lark:ou_A1', { by: 'account', platform: 'feishu', person: 'ou_A1' }],
    ['<@!80351110224678912>', { by: 'account', platform: 'discord', person: '80351110224678912' }],
    ['<@80351110224678912>', { by: 'account', platform: 'discord', person: '80351110224678912' }],
    ['telegram:chat-1001234', { by: 'account', platform: 'telegram', person: 'chat-1001234' }],
    ['p-7k2m', { by: 'id', id: 'p-7k2m' }],
    ['@Ann Lee', { by: 'name', name: 'ann lee' }],
    ['张三', { by: 'name', name: '张三' }],
    // Whom no platform could mean.
    ['telegram:@ann', undefined],
    ['discord:ann', undefined],
    ['feishu:on_123', undefined],
    ['feishu:', undefined],
    ['@', undefined],
    ['  ', undefined],
  ])('%s', (typed, expected) => {
    expect(readPerson(typed)).toEqual(expected);
  });

  test('accounts read back; ids may hold colons', () => {
    for (const account of [
      { platform: 'telegram', person: '1' },
      { platform: 'matrix', person: '@a:b.org' },
    ])
      expect(accountOf(accountId(account))).toEqual(account);
    expect(foldName(' @ＡＮＮ ')).toBe('ann');
  });
});

test('codes are read aloud: case, spaces and dashes do not count; no two are alike', () => {
  const codes = Array.from({ length: 500 }, () => newCode((length) => randomBytes(length)));
  expect(new Set(codes).size).toBe(500);
  for (const code of codes)
    expect(code).toMatch(/^[23456789bcdfghjkmnpqrstvwxyz]{4}-[23456789bcdfghjkmnpqrstvwxyz]{4}$/);
  expect(foldCode(' ７K2m—9xWD ')).toBe('7k2m9xwd');
});

describe('who may approve', () => {
  const NOW = 10 * APPROVER_MS;
  const old: Approver = { person: 'p-old', role: 'operator', since: NOW - APPROVER_MS };
  const fresh: Approver = { person: 'p-new', role: 'admin', since: NOW - APPROVER_MS + 1 };
  const viewer: Approver = { person: 'p-view', role: 'viewer', since: null };
  const asker: Approver = { person: 'p-ask', role: 'admin', since: 0 };
  test.each<[string, 'confirm' | 'second', string[], Approver, boolean, ReturnType<typeof refusal>]>([
    ['another person', 'second', ['p-ask'], old, true, undefined],
    ['another person, not for long', 'second', ['p-ask'], fresh, false, 'too-new'],
    ['another person, not for long, nor anybody else', 'confirm', ['p-ask'], fresh, false, 'too-new'],
    ['the asker', 'second', ['p-ask'], asker, false, 'own'],
    ['the asker, with others', 'confirm', ['p-ask'], asker, true, 'own'],
    ['the asker, alone', 'confirm', ['p-ask'], asker, false, undefined],
    ['who was the asker then', 'second', ['p-then', 'p-ask'], { ...old, person: 'p-then' }, true, 'own'],
    ['the terminal', 'second', ['p-ask'], LOCAL, true, undefined],
    ['the terminal, which asked', 'second', ['local'], LOCAL, true, 'own'],
    ['nobody asked: an approver', 'second', [], old, false, undefined],
    ['nobody asked: not for long', 'second', [], fresh, false, 'too-new'],
    ['nobody asked, nobody else there', 'confirm', [], fresh, false, undefined],
    ['nobody asked, a viewer', 'confirm', [], viewer, false, 'too-new'],
  ])('%s', (_, mode, askers, approver, others, expected) => {
    expect(refusal({ mode, askers }, approver, others, NOW)).toBe(expected);
  });
});
