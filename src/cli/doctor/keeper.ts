import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { readSlotRecord } from '../../../agent/install/slots.ts';
import type { KeptApp } from '../../../agent/keeper/protocol.ts';
import { pidsOf } from '../../../agent/rescue/charge.ts';
import { VERSION } from '../version.ts';
import { type Check, type Facts, type Finding, note, ok, wrong } from './contract.ts';

/** The keeper and everything that it keeps. */
export const keeper: Check = {
  title: 'What runs',
  limitMs: 5_000,
  *look(facts) {
    const { layout, keptBroken, keeper: found } = facts;
    if (keptBroken)
      yield wrong(`${layout.keeper.keep} can't be understood:${keptBroken}`, 'Start Fettle: it is written anew.');
    if (existsSync(`${layout.keeper.keep}.bad`)) {
      yield note(
        `${layout.keeper.keep}.bad: it could not be understood once, and what it said was lost`,
        'If every app runs that should, remove it.',
      );
    }
    if (!found) {
      yield* withoutKeeper(facts);
      return;
    }
    yield ok(`The keeper answers (process ${found.pid}, version ${found.version})`);
    for (const [name, app] of Object.entries(found.apps)) {
      const kind = facts.config?.apps[name]?.restart.kind;
      // Its entry with the keeper is for the time of a switch: what runs is told by who keeps it.
      const elsewhere = kind === 'systemd' || kind === 'command';
      if (!elsewhere || app.hold || app.fellBack) yield* keptApp(facts, name, app);
    }
    yield* versions(facts);
  },
};

function* withoutKeeper({ layout, kept, exists }: Facts): Generator<Finding> {
  const pids = exists ? pidsOf(layout, 'keeper') : [];
  if (pids.length > 0) {
    yield wrong(
      `The keeper (process ${pids.join(', ')}) does not answer; its log: ${layout.keeper.log}`,
      `kill -9 ${pids.join(' ')}: it is started again, and adopts what runs.`,
    );
    return;
  }
  yield note(
    'The keeper is not running.',
    '`fettle up --detach` starts it; `fettle rescue APP` starts one app without Fettle.',
  );
  for (const [name, { hold }] of kept) {
    if (hold)
      yield wrong(
        `${name} was being switched when everything ended (a hold, back to ${hold.fallback ?? 'nothing'})`,
        `\`fettle up --detach\`, or \`fettle rescue ${name}\`.`,
      );
  }
}

function* keptApp({ layout }: Facts, name: string, app: KeptApp): Generator<Finding> {
  const log = layout.appLog(name);
  const crashes = `crashed ${app.crashes === 1 ? 'once' : `${app.crashes} times`}`;
  if (app.fellBack)
    yield wrong(
      `${name}: its update was not finished by the agent, so the keeper went back by itself`,
      `Look at ${layout.appLog('agent')}.`,
    );
  if (app.hold) yield note(`${name} is being switched (a hold for ${Math.round(app.hold.leftMs / 1_000)} s more)`);
  if (!app.running) {
    if (app.desired === 'stopped' || app.hold) {
      yield name === 'agent'
        ? wrong('The agent is stopped: nothing is updated, and no app is switched back', 'fettle rescue agent')
        : note(`${name} is stopped`, app.hold ? undefined : `\`/update restart ${name}\` starts it.`);
    } else {
      const exit = app.lastExit?.code == null ? '' : ` with status ${app.lastExit.code}`;
      yield wrong(
        `${name} does not run: it ended${exit} (${crashes}); its log: ${log}`,
        `\`fettle rescue ${name}\` goes to the version before where this one is not well.`,
      );
    }
  } else if (app.crashes > 0) {
    yield wrong(
      `${name} runs, but ${crashes} since it was last well; its log: ${log}`,
      `If that goes on: \`fettle rescue ${name}\`.`,
    );
  } else {
    yield ok(`${name} runs (process ${app.running.pid}, from ${basename(app.running.slot)})`);
  }
}

/** Parts of different builds work together, but not for long on purpose. */
function* versions({ keeper: found, hub, layout }: Facts): Generator<Finding> {
  const agentSlot = found?.apps.agent?.running?.slot;
  const agent = agentSlot === undefined ? undefined : readSlotRecord(agentSlot)?.version;
  const parts = { keeper: found?.version, agent, hub: hub?.version, 'this command': VERSION };
  const known = Object.entries(parts).filter((part): part is [string, string] => part[1] !== undefined);
  if (new Set(known.map(([, version]) => version)).size > 1) {
    yield note(
      `Versions differ: ${known.map(([name, version]) => `${name} ${version}`).join(', ')}`,
      '`fettle down`, then `fettle up --detach` with the build you want.',
    );
  }
  for (const role of ['hub', 'agent'] as const) {
    const slot = found?.apps[role]?.running?.slot;
    const record = slot === undefined ? undefined : readSlotRecord(slot);
    if (slot?.startsWith(layout.app(role).releases) && !record)
      yield wrong(`The ${role} runs from ${slot}, which is no longer whole`, `fettle rescue ${role}`);
  }
}
