import { get } from 'node:http';
import { createConnection } from 'node:net';
import { ownsPort } from '../../../agent/keeper/processes.ts';
import { pidsOf } from '../../../agent/rescue/charge.ts';
import { readTrimmed } from '../../files/durable.ts';
import { isEnrolled } from '../enrolled.ts';
import { type Check, type Facts, type Finding, note, ok, wrong } from './contract.ts';

const ASK_MS = 2_000;
const UNCLAIMED = '`fettle claim` prints what makes you one.';
const OTHER_PORT = 'Set FETTLE_PORT (0 takes any free one) or `hub.port` in the file, and start Fettle again.';

/** The hub: its socket, its port, and whether the agent is connected. */
export const hub: Check = {
  title: 'Hub',
  limitMs: 10_000,
  async *look(facts, signal) {
    const { hub: status, keeper, layout } = facts;
    const kept = keeper?.apps.hub;
    if (status) {
      yield ok(`The hub answers (process ${status.pid}, version ${status.version})`);
      for (const what of status.waitingFor) {
        yield what === 'waiting for the agent'
          ? wrong('The agent is not connected', `Its log: ${layout.appLog('agent')}`)
          : note(what);
      }
      if (status.waitingFor.length === 0) yield ok('The agent is connected');
      if (status.unclaimed) yield note('The chats have no admin yet', UNCLAIMED);
      for (const problem of status.problems ?? []) yield wrong(problem);
      for (const { app, version, health } of status.apps) {
        if (health === 'ill' && app === 'hub' && (status.chats ?? []).some(({ state }) => state === 'failed'))
          yield note('hub: it counts as ill for ten minutes after a chat failed, or until it is back', 'See Chats.');
        else if (health === 'ill')
          yield wrong(
            `${app} ${version ?? ''} is ill`,
            `Its log: ${layout.appLog(app)}; then \`/update restart ${app}\` or \`/update rollback ${app}\`.`,
          );
        else
          yield health === 'unknown'
            ? note(`${app}: its health is unknown`)
            : ok(`${app} ${version ?? '(not installed)'} is ${health}`);
      }
    } else if (kept?.running) {
      yield wrong(
        `The hub runs (process ${kept.running.pid}), but does not answer; its log: ${layout.appLog('hub')}`,
        `kill ${kept.running.pid}: the keeper starts it again. If it stays so: \`fettle rescue hub\`.`,
      );
    } else if (isEnrolled(layout)) {
      yield ok('The hub of this device is elsewhere');
      return;
    } else if (keeper) {
      yield wrong(`The hub does not run; its log: ${layout.appLog('hub')}`, 'fettle rescue hub');
    }
    yield* port(facts, signal);
  },
};

async function* port(facts: Facts, signal: AbortSignal): AsyncGenerator<Finding> {
  const { layout, environment, config, keeper, hub: status } = facts;
  if (environment.port === 'invalid') yield wrong('FETTLE_PORT is not a port', 'Set it to a number from 0 to 65535.');
  const written = Number(readTrimmed(layout.hub.port));
  const wanted = typeof environment.port === 'number' ? environment.port : (config?.hub.port ?? 7_411);
  const running = status !== undefined || keeper?.apps.hub?.running != null;
  const number = running && written > 0 ? written : wanted;
  if (number === 0) return;
  if (!running) {
    if (await connects(number, signal)) {
      const left = pidsOf(layout, 'hub');
      yield left.length > 0
        ? note(`A hub of this home is left (process ${left.join(', ')}); \`fettle up\` takes it over`)
        : wrong(`Port ${number} is taken by another program`, OTHER_PORT);
    }
    return;
  }
  const startId = keeper?.apps.hub?.running?.startId;
  const answer = await healthz(number, signal);
  if (startId !== undefined && !ownsPort(startId, number)) {
    yield wrong(
      `Port ${number} is not the hub's: ${answer === undefined ? 'nobody answers there' : 'another program answers there'}`,
      OTHER_PORT,
    );
  } else if (answer === undefined) {
    yield wrong(
      `Port ${number} does not answer; the hub's log: ${layout.appLog('hub')}`,
      '`fettle down`, then `fettle up --detach`.',
    );
  } else {
    yield ok(`Port ${number} is the hub's, and answers`);
  }
}

/** The version that `/healthz` says; empty where something else answers. */
function healthz(number: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get(
      {
        host: '127.0.0.1',
        port: number,
        path: '/healthz',
        agent: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]),
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          if (body.length < 10_000) body += chunk;
        });
        response.on('error', () => resolve(undefined));
        response.on('end', () => {
          try {
            resolve(String((JSON.parse(body) as { version?: unknown }).version ?? ''));
          } catch {
            resolve('');
          }
        });
      },
    );
    request.on('error', () => resolve(undefined));
  });
}

function connects(number: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port: number });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ASK_MS, () => end(false));
    socket.on('connect', () => end(true)).on('error', () => end(false));
    signal.addEventListener('abort', () => end(false), { once: true });
  });
}
