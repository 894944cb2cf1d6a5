import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openJournal } from '../../agent/journal.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { endOf, programsOf, rescue, startRescue } from '../support/rescue.ts';
import { until } from '../support/until.ts';

/** `fettle rescue` on a device whose keeper and agent are real and dead. */
let device: Device;
beforeEach(async () => {
  device = await makeDevice({ probing: '15s' });
  await device.startAgent();
  expect(await device.outcome(await device.order('install', '1.0.0'))).toMatchObject({ state: 'succeeded' });
}, 60_000);
afterEach(() => device.close(), 60_000);

const folder = () => device.layout.app('app');
const current = () => readlinkSync(folder().current);

/** Two good versions: 1.1.0 runs, 1.0.0 is last-good. */
async function updated() {
  expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
}

async function expectRunning(version: string) {
  expect(await until('the app to answer', () => device.version())).toBe(version);
  expect(programsOf(device)).toHaveLength(1);
  expect(current()).toContain(`releases/${version}-`);
}

function breakCurrent(how: 'missing' | 'empty' | 'unsealed' | 'no link') {
  const slot = join(folder().dir, current());
  if (how === 'missing') {
    rmSync(folder().current);
    symlinkSync('releases/9.9.9-nowhere', folder().current);
  }
  if (how === 'empty') for (const name of readdirSync(slot)) rmSync(join(slot, name), { recursive: true });
  if (how === 'unsealed') rmSync(join(slot, '.fettle', 'slot.json'));
  if (how === 'no link') rmSync(folder().current);
}

describe('with keeper and agent dead', () => {
  test.each(['empty', 'unsealed'] as const)('a current slot that is %s → last-good runs', async (how) => {
    await updated();
    await device.killAll();
    breakCurrent(how);
    const { code, report } = await rescue(device);
    expect(report).toMatchObject({ result: 'well', version: '1.0.0', already: false, watched: false });
    expect(report.found).toContainEqual(expect.objectContaining({ kind: 'current', fault: 'unsealed' }));
    expect(code).toBe(0);
    await expectRunning('1.0.0');
    const again = await rescue(device);
    expect(again).toMatchObject({ code: 0, report: { result: 'well', already: true, pid: report.pid } });
  });

  test.each(['missing', 'no link'] as const)('current %s, the app runs → the link alone is mended', async (how) => {
    await updated();
    const before = programsOf(device);
    await device.killAll();
    breakCurrent(how);
    expect(await rescue(device)).toMatchObject({ code: 0, report: { result: 'well', version: '1.1.0' } });
    expect(programsOf(device)).toEqual(before);
    await expectRunning('1.1.0');
  });

  test('current is a folder instead of a link → it is kept beside, last-good runs', async () => {
    await updated();
    await device.killAll();
    for (const pid of programsOf(device)) process.kill(pid, 'SIGKILL');
    rmSync(folder().current);
    mkdirSync(folder().current);
    writeFileSync(join(folder().current, 'mine'), 'x');
    expect(await rescue(device)).toMatchObject({ code: 0, report: { result: 'well', version: '1.0.0' } });
    await expectRunning('1.0.0');
    const [aside] = readdirSync(folder().dir).filter((name) => name.startsWith('current-was-a-folder-'));
    expect(readFileSync(join(folder().dir, aside ?? '', 'mine'), 'utf8')).toBe('x');
  });

  test.each(['missing', 'no link'] as const)('current %s, the app dead → last-good runs', async (how) => {
    await updated();
    await device.killAll();
    for (const pid of programsOf(device)) process.kill(pid, 'SIGKILL');
    breakCurrent(how);
    expect(await rescue(device)).toMatchObject({ code: 0, report: { result: 'well', version: '1.0.0' } });
    await expectRunning('1.0.0');
  });

  test('a whole current slot is started as it is; a later keeper adopts it, and it is not run twice', async () => {
    await updated();
    await device.killAll();
    for (const pid of programsOf(device)) process.kill(pid, 'SIGKILL');
    const { code, report } = await rescue(device);
    expect({ code, report }).toMatchObject({ code: 0, report: { version: '1.1.0', found: [] } });
    expect(programsOf(device)).toEqual([report.pid]);
    await device.startKeeper();
    await device.startAgent();
    await expectRunning('1.1.0');
    expect(programsOf(device)).toEqual([report.pid]);
    const kept = (await device.keeper.ask('status', {})).apps.app;
    expect(kept).toMatchObject({ desired: 'running', hold: null });
    // It is the keeper's again: it is started after a crash.
    process.kill(report.pid ?? 0, 'SIGKILL');
    await until('another process', () => programsOf(device).some((pid) => pid !== report.pid));
    await expectRunning('1.1.0');
  });

  test('a version that crashes → the one before runs; what was wrong is said', async () => {
    await updated();
    await device.killAll();
    for (const pid of programsOf(device)) process.kill(pid, 'SIGKILL');
    writeFileSync(
      join(folder().current, 'server.mjs'),
      'console.error("api_token=hunter2-secret"); process.exit(9);\n',
    );
    const { code, report } = await rescue(device);
    expect({ code, report }).toMatchObject({ code: 0, report: { version: '1.0.0' } });
    expect(report.found).toContainEqual(expect.objectContaining({ kind: 'ended', version: '1.1.0' }));
    await expectRunning('1.0.0');
  });

  test('neither the configuration nor a keeper: keep.json is enough', async () => {
    await updated();
    await device.killAll();
    writeFileSync(device.layout.config, 'apps: [\n');
    breakCurrent('empty');
    const { code, report } = await rescue(device);
    expect({ code, report }).toMatchObject({ code: 0, report: { version: '1.0.0' } });
    expect(report.found).toContainEqual({ kind: 'no-configuration' });
    await expectRunning('1.0.0');
  });

  test('no keep.json: the configuration is enough, and what runs is not run twice', async () => {
    await device.killAll();
    const before = programsOf(device);
    rmSync(device.layout.keeper.keep);
    expect(await rescue(device)).toMatchObject({ code: 0, report: { already: true, pid: before[0] } });
    await expectRunning('1.0.0');
    expect(programsOf(device)).toEqual(before);
  });

  test('neither keep.json nor configuration: said, nothing done', async () => {
    await device.killAll();
    rmSync(device.layout.keeper.keep);
    writeFileSync(device.layout.config, 'apps: [\n');
    expect(await rescue(device)).toMatchObject({ code: 2, report: { refusal: { why: 'no-spec' } } });
  });

  test('no version before: what there is is tried; exit 1 with the end of its log, redacted', async () => {
    await device.killAll();
    for (const pid of programsOf(device)) process.kill(pid, 'SIGKILL');
    writeFileSync(join(folder().current, 'server.mjs'), 'console.error("token=hunter2-secret"); process.exit(9);\n');
    const { code, report } = await rescue(device);
    expect({ code, report }).toMatchObject({ code: 1, report: { result: 'ended', version: '1.0.0' } });
    expect(report.logTail).toContain('[hidden]');
    expect(report.logTail).not.toContain('hunter2');
    rmSync(join(folder().dir, current()), { recursive: true });
    expect(await rescue(device)).toMatchObject({ code: 2, report: { refusal: { why: 'not-installed' } } });
  });

  test('--to takes another version; one that is not there is refused', async () => {
    await updated();
    await device.killAll();
    expect(await rescue(device, '--to', '1.0.0')).toMatchObject({ code: 0, report: { version: '1.0.0' } });
    await expectRunning('1.0.0');
    expect(await rescue(device, '--to', '7.0.0')).toMatchObject({
      code: 2,
      report: { refusal: { why: 'no-such-slot' } },
    });
    await expectRunning('1.0.0');
  });

  test('an unknown app', async () => {
    const { code, text } = await endOf(startRescue(device, ['web']));
    expect(code).toBe(2);
    expect(text).toContain('There is no app web here. There are: agent, app.');
  });

  test('a process that is stopped (SIGSTOP) does not answer: it is ended, the version before runs', async () => {
    await updated();
    await device.killAll();
    const [before] = programsOf(device);
    process.kill(before ?? 0, 'SIGSTOP');
    // It was started long ago: nobody waits for its first answer.
    const keep = JSON.parse(readFileSync(device.layout.keeper.keep, 'utf8'));
    keep.apps.app.started.at -= 600_000;
    writeFileSync(device.layout.keeper.keep, JSON.stringify(keep));
    expect(await rescue(device)).toMatchObject({ code: 0, report: { version: '1.0.0' } });
    await expectRunning('1.0.0');
    expect(programsOf(device)).not.toContain(before);
  });

  test('two rescues at once: one does it, the other says so', async () => {
    await updated();
    await device.killAll();
    breakCurrent('empty');
    const both = await Promise.all([rescue(device), rescue(device)]);
    expect(both.map(({ code }) => code).sort()).toEqual([0, 2]);
    expect(both.find(({ code }) => code === 2)?.report.refusal).toEqual({ why: 'rescue-runs' });
    await expectRunning('1.0.0');
  });

  test('killed again and again (SIGKILL): the last one finishes, and nothing runs twice', {
    timeout: 90_000,
  }, async () => {
    await updated();
    await device.killAll();
    breakCurrent('empty');
    for (let after = 250; after <= 1_050; after += 80) {
      const child = startRescue(device);
      const timer = setTimeout(() => child.kill('SIGKILL'), after);
      await endOf(child);
      clearTimeout(timer);
      expect(programsOf(device).length).toBeLessThanOrEqual(1);
    }
    expect(await rescue(device)).toMatchObject({ code: 0, report: { version: '1.0.0' } });
    await expectRunning('1.0.0');
  });

  test('Ctrl-C leaves something that a second rescue finishes', async () => {
    await updated();
    await device.killAll();
    breakCurrent('empty');
    const child = startRescue(device, ['app']);
    child.stdout?.on('data', (text: Buffer) => {
      if (text.toString().includes('starting')) child.kill('SIGINT');
    });
    const { code, text } = await endOf(child);
    expect(text).toContain('interrupted. `fettle rescue app` goes on from here.');
    expect(code).toBe(130);
    expect(await rescue(device)).toMatchObject({ code: 0, report: { version: '1.0.0' } });
    await expectRunning('1.0.0');
  });
});

describe('an update that was interrupted in', () => {
  test.each([
    ['stopping', false],
    ['swapping', false],
    ['starting', true],
    ['probing', true],
    ['reverting', true],
    ['restarting', true],
    ['reprobing', true],
  ] as const)('%s → code and data as before, and the hub is told', { timeout: 60_000 }, async (state, dataRestored) => {
    const data = device.data();
    const update = await interruptedIn(state);
    const { code, report } = await rescue(device);
    expect({ code, report }).toMatchObject({
      code: 0,
      report: { result: 'well', version: '1.0.0', update: { id: update, state: 'rolled-back', dataRestored } },
    });
    await expectRunning('1.0.0');
    expect(device.data()).toBe(data);
    expect(readdirSync(join(folder().shared, 'data'))).toEqual(['store.json']);
    await device.startKeeper();
    await device.startAgent();
    expect(await device.outcome(update)).toMatchObject({ state: 'rolled-back', running: '1.0.0', dataRestored });
    expect(programsOf(device)).toEqual([report.pid]);
    expect((await device.keeper.ask('status', {})).apps.app).toMatchObject({ desired: 'running', hold: null });
  });

  test('probing, with --keep-data → the code as before, the data as it was left', async () => {
    await interruptedIn('probing');
    expect(await rescue(device, '--keep-data')).toMatchObject({ code: 0, report: { version: '1.0.0' } });
    expect(device.data()).toBe('{"format":2}\n');
  });

  test('probing, with the version before gone as well → the new one is what there is', async () => {
    const update = await interruptedIn('probing', '1.1.0');
    const [before] = readdirSync(folder().releases).filter((name) => name.startsWith('1.0.0'));
    rmSync(join(folder().releases, before ?? ''), { recursive: true });
    const { code, report } = await rescue(device);
    expect({ code, report }).toMatchObject({
      code: 0,
      report: { result: 'well', version: '1.1.0', update: { id: update, state: 'rollback-failed' } },
    });
    await expectRunning('1.1.0');
  });

  test('fetching → the app is not touched; the agent goes on later', async () => {
    const update = await interruptedIn('fetching', '1.1.0');
    expect(await rescue(device)).toMatchObject({ code: 0, report: { already: true, version: '1.0.0' } });
    await device.startKeeper();
    await device.startAgent();
    expect(await device.outcome(update)).toMatchObject({ state: 'succeeded' });
  });

  test('a journal that can not be read → the slot that the hold names, data left alone', async () => {
    const update = await interruptedIn('probing');
    writeFileSync(join(device.layout.agent.journal, `${update}.json`), '{');
    const { code, report } = await rescue(device);
    expect({ code, report }).toMatchObject({ code: 0, report: { version: '1.0.0' } });
    expect(report.found).toContainEqual({ kind: 'journal-unreadable', files: [update] });
    expect(device.data()).toBe('{"format":2}\n');
    expect(readdirSync(device.layout.agent.journal)).toContain(`${update}.json`);
  });

  /** Keeper and agent are dead, and the journal has the update in this state. */
  async function interruptedIn(state: string, version = '1.2.0'): Promise<string> {
    await device.stopAgent();
    await device.startAgent('--forever', `${state}:entered`);
    // The keeper starts it again, so that it would go on: it is killed in the same state each time.
    const update = await device.order('update', version);
    const entry = () => openJournal(device.layout.agent.journal).get(update);
    await until(`the journal to have ${state}`, () => entry()?.state === state, 30_000);
    if (state === 'probing' && version === '1.2.0')
      await until('the new version to migrate', () => device.data().includes('"format":2'));
    await device.killAll();
    return update;
  }
});

describe('with the keeper alive', () => {
  test('and the agent dead: through the keeper, and the agent is started again', async () => {
    await updated();
    await device.stopAgent();
    breakCurrent('empty');
    const { code, report } = await rescue(device);
    expect({ code, report }).toMatchObject({ code: 0, report: { version: '1.0.0', watched: true } });
    await expectRunning('1.0.0');
    await until('the agent to run', async () => (await device.keeper.ask('status', {})).apps.agent?.running);
    expect((await device.keeper.ask('status', {})).apps.app).toMatchObject({ desired: 'running', hold: null });
  });

  test('and the agent alive: it goes on, and says what runs now', async () => {
    await updated();
    const agent = (await device.keeper.ask('status', {})).apps.agent?.running?.pid;
    breakCurrent('empty');
    expect(await rescue(device)).toMatchObject({ code: 0, report: { version: '1.0.0', watched: true } });
    await expectRunning('1.0.0');
    expect((await device.keeper.ask('status', {})).apps.agent?.running?.pid).toBe(agent);
  });

  test('and the agent at work on the app: said, nothing done; --force takes it back', async () => {
    const update = await device.order('update', '1.2.0');
    await until('it to be switched', () => device.journal(update)?.state === 'probing');
    const refused = await rescue(device);
    expect(refused).toMatchObject({ code: 2, report: { refusal: { why: 'update-runs', update } } });
    expect(await rescue(device, '--force')).toMatchObject({ code: 0, report: { version: '1.0.0' } });
    expect(await device.outcome(update)).toMatchObject({ state: 'rolled-back', running: '1.0.0' });
    await expectRunning('1.0.0');
  });

  test('and the agent failing again and again: taken back all the same', { timeout: 60_000 }, async () => {
    const data = device.data();
    await device.stopAgent();
    await device.startAgent('--forever', 'reverting:entered');
    const update = await device.order('update', '1.2.0');
    await until(
      'the agent to fail',
      async () => ((await device.keeper.ask('status', {})).apps.agent?.crashes ?? 0) > 1,
    );
    const { code, report } = await rescue(device);
    expect({ code, report }).toMatchObject({ code: 0, report: { version: '1.0.0', update: { id: update } } });
    expect(device.data()).toBe(data);
    expect(await device.outcome(update)).toMatchObject({ state: 'rolled-back' });
    await expectRunning('1.0.0');
  });
});
