import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import { MESSAGES } from '../chat/messages/index.ts';
import type { Outbox } from '../chat/outbox.ts';
import { renderError } from '../chat/render-error.ts';
import type { Asker, DeviceTools, ToolOrder } from '../commands/index.ts';
import { FettleError, isErrorCode } from '../domain/errors.ts';
import type { Clock } from '../domain/id.ts';
import { LANGUAGES, type Route } from '../domain/reply.ts';
import { toolIsGood, toolReply } from '../domain/tool-reply.ts';
import type { Gateway, Peer } from '../gateway/gateway.ts';
import type { ToolReport, ToolResult } from '../protocol/messages.ts';
import { addAudit, auditOfEvent } from '../store/audit.ts';
import { listDevices } from '../store/devices.ts';
import { readMeta, writeMeta } from '../store/meta.ts';
import type { Database } from '../store/schema.ts';
import { ORDER_MS } from './order.ts';

/**
 * Tools of devices, asked for in chats. A request has one id for ever, made of the event that asks: a hub that begins anew
 * asks again with the same, and the device, which keeps them on disk, runs it once.
 */
export interface ToolDesk extends DeviceTools {
  /** What a device says that it has. */
  told(peer: Peer, tools: readonly ToolReport[]): void;
  /** A device is there (again): what may not have arrived is said once more. */
  connected(device: string): void;
  answer(peer: Peer, result: ToolResult): Promise<void>;
}

/** A command has 60 s; what takes longer is told when it comes. */
const WAIT_MS = 40_000;
/** An answer is in the store by then. */
const TOLD_MS = 60_000;

interface Waiting {
  readonly device: string;
  readonly ask: () => boolean;
  readonly end: (result: ToolResult) => void;
  running: boolean;
}

/** What was asked, and whom to tell: as long as its end is not told. */
const Asked = z.object({
  device: z.string(),
  name: z.string(),
  tool: z.string(),
  args: z.array(z.string()),
  /** The command has answered: the end is a message of its own. */
  later: z.boolean(),
  eventId: z.string(),
  route: z.custom<Route>((value) => typeof value === 'object' && value !== null && 'platform' in value),
  language: z.enum(LANGUAGES),
});

export function createToolDesk(deps: {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly gateway: () => Pick<Gateway, 'send'>;
  readonly outbox: Pick<Outbox, 'put' | 'wake'>;
  readonly log: (line: string) => void;
  readonly waitMs?: number | undefined;
}): ToolDesk {
  const { db, clock, log } = deps;
  const known = new Map<string, readonly ToolReport[]>();
  const waiting = new Map<string, Waiting>();
  /** Requests whose end was handed to their command, and when. */
  let told: { readonly request: string; readonly at: number }[] = [];

  const askedOf = async (request: string) => {
    const kept = Asked.safeParse(JSON.parse((await readMeta(db, keyOf(request))) ?? 'null'));
    return kept.success ? kept.data : undefined;
  };

  /** On disk before it is sent. False where a hub before this one, or this one, had asked already. */
  async function note(order: ToolOrder, request: string, now: number): Promise<boolean> {
    const { device, tool, args, asker, language } = order;
    const { who, route, eventId } = asker;
    return db.transaction().execute(async (trx) => {
      if (await auditOfEvent(trx, { eventId, by: who.id })) return false;
      const said = { action: 'tool', target: device.name, after: [tool, ...args].join(' ').slice(0, 500) };
      await addAudit(trx, { at: now, by: who.id, byName: who.name, route, eventId, ...said });
      const of = { device: device.id, name: device.name, tool, args: [...args] };
      const asked: z.infer<typeof Asked> = { ...of, later: false, eventId, route, language };
      await writeMeta(trx, keyOf(request), JSON.stringify(asked));
      return true;
    });
  }

  /** What is asked is kept until the answer is in the store: a hub that ends in between asks again, and hears the same. */
  async function forgetTold(): Promise<void> {
    const old = told.filter(({ at }) => clock.monotonic() - at > TOLD_MS);
    told = told.filter((one) => !old.includes(one));
    for (const { request } of old) await writeMeta(db, keyOf(request), undefined);
  }

  /** It did not get as far as the device. */
  async function forget(request: string, error: FettleError): Promise<FettleError> {
    await writeMeta(db, keyOf(request), undefined);
    return error;
  }

  return {
    async list() {
      const devices = await listDevices(db);
      return devices.map(({ id, name }) => ({ id, name, tools: known.get(id) ?? [] }));
    },

    async run(order, signal) {
      const { device, tool, args, asker } = order;
      const request = requestId(asker);
      const now = clock.now();
      await forgetTold();
      const first = await note(order, request, now);
      const ended = Promise.withResolvers<ToolResult | 'late'>();
      const expiresAt = now + ORDER_MS;
      const message = { type: 'run-tool', request, device: device.id, tool } as const;
      const capability = { app: 'agent', tools: [tool], paths: [] };
      const ask = () =>
        deps.gateway().send(device.id, {
          ...{ ...message, args: [...args], capability },
          ...{ notBefore: now, expiresAt, now: clock.now() },
        });
      const entry: Waiting = { device: device.id, ask, end: ended.resolve, running: false };
      const offline = () =>
        new FettleError('device_offline', { data: { device: device.name, app: tool, tool }, retryable: true });
      waiting.set(request, entry);
      const timer = setTimeout(() => ended.resolve('late'), deps.waitMs ?? WAIT_MS);
      const stop = () => ended.reject(offline());
      signal.addEventListener('abort', stop, { once: true });
      try {
        // Asked before, it may be under way there: the device is waited for.
        if (signal.aborted || (!ask() && first)) throw await forget(request, offline());
        const result = await ended.promise;
        if (result === 'late') {
          const asked = await askedOf(request);
          if (asked) await writeMeta(db, keyOf(request), JSON.stringify({ ...asked, later: true }));
          if (!entry.running) throw offline();
          // What came while that was written is told again.
          waiting.delete(request);
          ask();
          return 'later';
        }
        told.push({ request, at: clock.monotonic() });
        deps.gateway().send(device.id, { type: 'tool-ack', request });
        if (result.state === 'ended') return result;
        throw problemOf(result);
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        waiting.delete(request);
      }
    },

    async begun(asker) {
      const asked = await askedOf(requestId(asker));
      return asked && { device: { id: asked.device, name: asked.name }, tool: asked.tool, args: asked.args };
    },

    told: (peer, tools) => void known.set(peer.device, tools),

    connected(device) {
      for (const entry of waiting.values()) if (entry.device === device) entry.ask();
    },

    async answer(peer, result) {
      const { request } = result;
      const entry = waiting.get(request);
      if (entry) {
        // A request's id is no secret: only who was asked may answer.
        if (entry.device !== peer.device) return log(`${peer.name} answers ${request}, which it was not asked`);
        if (result.state === 'running') entry.running = true;
        else entry.end(result);
        return;
      }
      if (result.state === 'running') return;
      const asked = await askedOf(request);
      // Nobody waits yet: the command that asked begins anew, and asks again.
      if (!asked?.later || asked.device !== peer.device) return;
      const { name, route, eventId, language } = asked;
      const failed = result.state !== 'ended' || !toolIsGood(result);
      const reply =
        result.state === 'ended'
          ? toolReply({ ...result, device: name }, language)
          : renderError(problemOf(result), MESSAGES[language], clock.now()).reply;
      await db.transaction().execute(async (trx) => {
        const message = { route, reply, answers: eventId, final: true, failed, now: clock.now() };
        await deps.outbox.put(trx, { ...message, key: `tool/${request}` });
        await writeMeta(trx, keyOf(request), undefined);
      });
      deps.outbox.wake();
      deps.gateway().send(peer.device, { type: 'tool-ack', request });
    },
  };
}

const keyOf = (request: string) => `tool:${request}`;

function requestId({ who, route, eventId }: Asker): string {
  const text = [route.platform, eventId, who.id].join('\n');
  // Short, and of no token's shape: what an agent says is redacted on its way.
  return `r-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

function problemOf({ problem, tool }: ToolResult): FettleError {
  const code = problem?.code ?? 'tool_end_unknown';
  return new FettleError(isErrorCode(code) ? code : 'internal', { data: { tool, ...problem?.data } });
}
