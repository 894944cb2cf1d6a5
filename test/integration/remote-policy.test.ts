import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { applyPolicy, type RemotePolicyDeps } from '../../agent/remote-policy.ts';
import { homeLayout } from '../../config/home.ts';
import { parseDevice } from '../../config/load-device.ts';
import { pushPolicy } from '../../src/cli/policy/push.ts';
import { signPolicy } from '../../src/cli/policy/sign.ts';
import type { FettleError } from '../../src/domain/errors.ts';
import { makeFolder } from '../../src/files/durable.ts';
import { createPolicyOffers } from '../../src/gateway/policies.ts';
import { generateMinisignKey, type MinisignSecretKey } from '../../src/origin/minisign-secret.ts';
import type { HubMessage } from '../../src/protocol/messages.ts';
import { type PolicyDocument, readSignedPolicy, type SignedPolicy } from '../../src/protocol/policy-document.ts';
import { listAudit } from '../../src/store/audit.ts';
import { openStore } from '../../src/store/open.ts';
import { until } from '../support/until.ts';

/** A device's file from afar: real keys, real files, the commands' own documents. */

let folder: string;
let key: MinisignSecretKey;
let deps: RemotePolicyDeps;
const NOW = Date.now();

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-remote-policy-'));
  key = generateMinisignKey();
  writeFileSync(join(folder, 'key'), await key.toFile(undefined));
  writeFileSync(file(), oldText());
  begin();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = () => join(folder, 'agent.yaml');
const text = (apps: string, policyKey: string | undefined = key.publicKey.text) =>
  `apps:\n${apps}${policyKey === '' ? '' : `policyKey: ${policyKey}\n`}`;
const oldText = () => text('  robot: {run: ./robot}\n  spare: {run: ./spare}\n');
const newText = () => text('  robot: {run: ./robot --new}\n');

/** As an agent begins with the file that is there. */
function begin(): void {
  deps = {
    config: parseDevice(readFileSync(file(), 'utf8'), file()),
    file: file(),
    seenFile: join(folder, 'policy.json'),
    device: { id: 'd-1', name: 'robot-7' },
    isInstalled: (app) => app === 'robot',
    parse: parseDevice,
  };
}

async function signed(number: number, more: Partial<Parameters<typeof signPolicy>[0]> & { text?: string } = {}) {
  const next = join(folder, 'next.yaml');
  writeFileSync(next, more.text ?? newText());
  const out = join(folder, `${number}.signed`);
  const options = {
    file: next,
    key: join(folder, 'key'),
    for: ['robot-7'],
    number,
    days: 30,
    letGo: [],
    newKey: false,
    password: {},
    warn: () => undefined,
  };
  await signPolicy({ ...options, out, now: NOW, ...more });
  return readSignedPolicy(readFileSync(out, 'utf8'));
}

/** The document as another would have written it, signed all the same. */
function forged(from: SignedPolicy, change: (document: PolicyDocument) => object, by = key): SignedPolicy {
  const document = JSON.stringify(change(JSON.parse(from.document) as PolicyDocument));
  return { ...from, document, signature: by.sign(Buffer.from(document), 'x') };
}

function apply(policy: SignedPolicy, now = NOW): string {
  try {
    const { number, changed } = applyPolicy(deps, policy, now);
    return `${number} ${changed ? 'changed' : 'as it was'}`;
  } catch (error) {
    const { code, data } = error as FettleError;
    return `${code}: ${String(data.reason ?? data.what)}`;
  }
}

const untouched = () => {
  expect(readFileSync(file(), 'utf8')).toBe(oldText());
  expect(existsSync(join(folder, 'policy.json'))).toBe(false);
  expect(existsSync(`${file()}.before`)).toBe(false);
};

describe('a policy', () => {
  test('that is right takes the place of the file, once; the one of before stays beside it', async () => {
    const one = await signed(5);
    expect(apply(one)).toBe('5 changed');
    expect(readFileSync(file(), 'utf8')).toBe(newText());
    expect(readFileSync(`${file()}.before`, 'utf8')).toBe(oldText());
    begin();
    expect(apply(one)).toBe('5 as it was');
    // Mended by hand since: what is offered again at each connect does not undo that.
    writeFileSync(file(), text('  robot: {run: ./robot --by-hand}\n'));
    expect(apply(one)).toBe('5 as it was');
    expect(readFileSync(file(), 'utf8')).toContain('by-hand');
    expect(apply(await signed(4))).toBe('policy_refused: its number is 4, and this device has seen 5');
    expect(apply(await signed(5, { days: 31 }))).toBe('policy_refused: its number is 5, and this device has seen 5');
    expect(apply(await signed(6))).toBe('6 changed');
  });

  test('is cut off anywhere, and goes on', async () => {
    const one = await signed(5);
    // After the note, before the file.
    const { document } = one;
    apply(one);
    const seen = JSON.parse(readFileSync(join(folder, 'policy.json'), 'utf8')) as object;
    writeFileSync(join(folder, 'policy.json'), JSON.stringify({ ...seen, applied: false }));
    writeFileSync(file(), oldText());
    expect(apply(one)).toBe('5 changed');
    // After the file, before the second note: what was before is still known.
    writeFileSync(join(folder, 'policy.json'), JSON.stringify({ ...seen, applied: false }));
    expect(apply({ ...one, document })).toBe('5 changed');
    expect(readFileSync(`${file()}.before`, 'utf8')).toBe(oldText());
    expect(readFileSync(file(), 'utf8')).toBe(newText());
  });

  test('without policyKey in the file there is none; nor where a hub shares the file', async () => {
    const one = await signed(5);
    deps = { ...deps, file: undefined };
    expect(apply(one)).toBe('capability_denied: a policy from afar in the place of a file that a hub shares');
    begin();
    deps = { ...deps, config: { ...deps.config, policyKey: undefined } };
    expect(apply(one)).toBe('capability_denied: a policy from afar, because the file names no policyKey');
    untouched();
  });

  test('is signed by that key, byte for byte', async () => {
    const one = await signed(5);
    const eve = generateMinisignKey();
    expect(apply(forged(one, (d) => d, eve))).toMatch(/^policy_refused: it is signed with key/);
    expect(apply({ ...one, document: one.document.replace('--new', '--eve') })).toMatch(/what was signed was changed/);
    expect(apply({ ...one, signature: one.signature.replace('number=5', 'number=6') })).toMatch(
      /comment .* was changed/,
    );
    expect(apply({ ...one, signature: 'x' })).toMatch(/^policy_refused: its signature is not one of minisign/);
    // A release that the same key has signed is no policy.
    expect(apply(forged(one, () => ({ app: 'robot', version: '1.0.0' })))).toMatch(/no policy that this version/);
    expect(apply(forged(one, (d) => ({ ...d, onlyIf: 'x' })))).toMatch(/no policy that this version/);
    untouched();
  });

  test('is for this device, not expired, and a right file', async () => {
    expect(apply(await signed(5, { for: ['robot-8'] }))).toMatch(/^policy_refused: it is not for this device/);
    expect(apply(await signed(5), NOW + 31 * 86_400_000)).toMatch(/^policy_refused: it expired at/);
    const one = await signed(5);
    expect(apply(forged(one, (d) => ({ ...d, file: 'apps: [' })))).toMatch(/^policy_refused: its file is not right/);
    expect(apply(forged(one, (d) => ({ ...d, file: 'chats: {}' })))).toMatch(/file is not right: .*chats: no such key/);
    untouched();
    expect(apply(await signed(5, { for: ['d-1', 'x'] }))).toBe('5 changed');
    expect(apply(await signed(6, { for: ['all'] }))).toBe('6 changed');
  });

  test('keeps its key, unless the document says that another is meant', async () => {
    const other = generateMinisignKey();
    const lost = text('  robot: {run: ./robot}\n', '');
    const given = text('  robot: {run: ./robot}\n', other.publicKey.text);
    await expect(signed(5, { text: lost })).rejects.toThrow(/new-key/);
    await expect(signed(5, { text: given })).rejects.toThrow(/new-key/);
    const one = await signed(5);
    expect(apply(forged(one, (d) => ({ ...d, file: lost })))).toMatch(/names another policyKey than before/);
    expect(apply(forged(one, (d) => ({ ...d, file: given, policyKey: key.publicKey.text })))).toMatch(
      /another policyKey/,
    );
    untouched();
    expect(apply(await signed(5, { text: given, newKey: true }))).toBe('5 changed');
    begin();
    expect(apply(await signed(6, { text: given, newKey: true }))).toMatch(/^policy_refused: it is signed with key/);
  });

  test('names each installed app, or lets go of it on purpose', async () => {
    const none = text('  spare: {run: ./spare}\n');
    expect(apply(await signed(5, { text: none }))).toMatch(/does not name robot, and does not let go/);
    untouched();
    expect(apply(await signed(5, { text: none, letGo: ['robot'] }))).toBe('5 changed');
  });
});

describe('the hub', () => {
  test('carries the highest of those that are for a device, at a connect and when one is pushed', async () => {
    const layout = homeLayout(join(folder, 'hub-home'), folder);
    const sent: { device: string; message: HubMessage }[] = [];
    const log: string[] = [];
    const online = new Set<string>();
    makeFolder(layout.hub.dir);
    const store = await openStore(layout.hub.db);
    const offers = createPolicyOffers({
      db: store.db,
      clock: { now: () => Date.now(), monotonic: () => performance.now() },
      folder: layout.hub.policies,
      gateway: () => ({
        isConnected: (device) => online.has(device),
        send: (device, message) => {
          sent.push({ device, message });
          return true;
        },
      }),
      log: (line) => log.push(line),
    });
    expect(() => pushPolicy(homeLayout(join(folder, 'no-hub'), folder), join(folder, 'x'))).toThrow(/has no hub/);
    const push = async (number: number, whom: string[]) => {
      await signed(number, { for: whom });
      pushPolicy(layout, join(folder, `${number}.signed`));
    };
    expect(() => pushPolicy(layout, file())).toThrow(/no signed policy/);
    await push(1, ['all']);
    await push(2, ['robot-7']);
    await push(3, ['robot-8']);
    writeFileSync(join(layout.hub.policies, 'broken.json'), '{');
    const peer = (device: string, name: string) => ({ device, name, platform: 'x', version: '1.0.0' });
    const connect = (device: string, name: string) => {
      online.add(device);
      return offers.connected(peer(device, name));
    };
    const numbers = () =>
      sent.map(({ device, message }) =>
        message.type === 'policy'
          ? `${device} ${(JSON.parse(message.document) as PolicyDocument).number}`
          : message.type,
      );
    await connect('d-1', 'robot-7');
    await connect('d-2', 'robot-8');
    await connect('d-3', 'robot-9');
    expect(numbers()).toEqual(['d-1 2', 'd-2 3', 'd-3 1']);
    expect(log.join()).toMatch(/broken\.json is no signed policy/);
    offers.start();
    online.delete('d-3');
    await push(4, ['all']);
    await until('the new one', () => numbers().length === 5);
    expect(numbers().slice(3)).toEqual(['d-1 4', 'd-2 4']);
    offers.stop();
    const result = { type: 'policy-result', accepted: true, number: 4, changed: true } as const;
    const refused = {
      ...result,
      accepted: false,
      problem: { code: 'policy_refused', data: { reason: 'r' }, retryable: false },
    };
    for (let i = 0; i < 2; i += 1) {
      await connect('d-1', 'robot-7');
      await offers.answer(peer('d-1', 'robot-7'), { ...result, changed: i === 0 });
      await offers.answer(peer('d-2', 'robot-8'), refused);
    }
    await offers.answer(peer('d-9', 'stranger'), result);
    // Each offer and each answer once, though they come at each connect.
    const entries = [...(await listAudit(store.db))].reverse();
    expect(
      entries.map(({ by, action, target, after, result, data }) => [by, action, target, after, result, data?.why]),
    ).toEqual([
      ['fettle', 'policy-offer', 'd-1', '2', undefined, undefined],
      ['fettle', 'policy-offer', 'd-2', '3', undefined, undefined],
      ['fettle', 'policy-offer', 'd-3', '1', undefined, undefined],
      ['fettle', 'policy-offer', 'd-1', '4', undefined, undefined],
      ['fettle', 'policy-offer', 'd-2', '4', undefined, undefined],
      ['device:d-1', 'policy', 'd-1', '4', 'done', undefined],
      ['device:d-2', 'policy', 'd-2', '4', 'policy_refused', 'r'],
    ]);
    for (let i = 0; i < 40; i += 1) {
      const problem = { ...refused.problem, data: { reason: `${i}` } };
      await offers.answer(peer('d-2', 'robot-8'), { ...refused, problem });
    }
    expect(await listAudit(store.db, { action: 'policy', target: 'd-2' })).toHaveLength(20);
    // By the name that it has itself, whatever it is called here.
    await push(5, ['host-7']);
    const before = numbers().length;
    await offers.connected(peer('d-1', 'robot-7'), 'host-7');
    expect(numbers().slice(before)).toEqual(['d-1 5']);
    await store.close();
    expect(readdirSync(layout.hub.policies).sort()).toEqual([
      '1.json',
      '2.json',
      '3.json',
      '4.json',
      '5.json',
      'broken.json',
    ]);
  });
});
