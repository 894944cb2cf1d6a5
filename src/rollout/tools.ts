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
import { toolDigest } from '../protocol/audit-chain.ts';
import type { ToolResult } from '../protocol/messages.ts';
import { ToolReport, toolEnd } from '../protocol/tools.ts';
import { addAudit, auditOfEvent, listAudit } from '../store/audit.ts';
import { listDevices } from '../store/devices.ts';
import { readMeta, writeMeta } from '../store/meta.ts';
import type { Database } from '../store/schema.ts';
import { ORDER_MS } from './order.ts';

/**
 * Tools of devices, asked for in chats. A request has one id for ever, made of the event that asks: a hub that begins anew
 * asks again with the same, and the device, which keeps them on disk, runs it once.
 */
export interface ToolDesk extends DeviceTools {
  /** What a device says that it has. Kept, so that a hub that begins anew knows it. */
  told(peer: Peer, tools: readonly ToolReport[]): Promise<void>;
  /** A device is there (again): what may not have arrived is said once more. */
  connected(device: string): void;
  answer(peer: Peer, result: ToolResult): Promise<void>;
}

/** A command has 60 s; what takes longer is told when it comes. */
const WAIT_MS = 40_000;
/** An answer is in the store by then. */
const TOLD_MS = 60_000;
/** Devices dial anew when their hub was away; for so long after its start it waits for them, and no longer than this. */
const YOUNG_MS = 60_000;
const WAIT_YOUNG_MS = 20_000;

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
  log: z.object({ seq: z.number(), hash: z.string() }).optional(),
});
type Asked = z.infer<typeof Asked>;

const Kept = z.array(ToolReport);

export function createToolDesk(deps: {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly gateway: () => Pick<Gateway, 'send'>;
  readonly outbox: Pick<Outbox, 'put' | 'wake'>;
  readonly log: (line: string) => void;
  readonly waitMs?: number | undefined;
  /** How long a hub that has just begun waits for a device. */
  readonly waitYoungMs?: number | undefined;
}): ToolDesk {
  const { db, clock, log } = deps;
  const begunAt = clock.monotonic();
  /** As devices told it: text, to see what changed. */
  const known = new Map<string, string>();
  const waiting = new Map<string, Waiting>();
  /** Requests whose end was handed to their command, and when. */
  let told: { readonly request: string; readonly at: number }[] = [];

  const askedOf = async (request: string) => {
    const kept = Asked.safeParse(JSON.parse((await readMeta(db, keyOf(request))) ?? 'null'));
    return kept.success ? kept.data : undefined;
  };

  /** On disk before it is sent. `first`: no hub before this one, nor this one, has asked already. */
  async function note(order: ToolOrder, request: string, now: number): Promise<{ first: boolean; asked?: Asked }> {
    const { device, tool, args, asker, language } = order;
    const { who, route, eventId } = asker;
    return db.transaction().execute(async (trx) => {
      if (await auditOfEvent(trx, { eventId, by: who.id })) return { first: false };
      const said = { action: 'tool', target: device.name, after: [tool, ...args].join(' ').slice(0, 500) };
      const digest = toolDigest({ request, device: device.id, tool, args });
      const data = { request, device: device.id, tool, digest };
      const log = await addAudit(trx, { at: now, by: who.id, byName: who.name, route, eventId, ...said, data });
      const of = { device: device.id, name: device.name, tool, args: [...args] };
      const asked: Asked = { ...of, later: false, eventId, route, language, log };
      await writeMeta(trx, keyOf(request), JSON.stringify(asked));
      return { first: true, asked };
    });
  }

  /** How it ended is in the audit log once, however often a device says it. @param by the device, where it said so */
  async function noteEnd(
    trx: Kysely<Database>,
    end: { readonly request: string; readonly tool: string; readonly result: string; readonly by: Peer | undefined },
  ): Promise<void> {
    const { request, tool, result, by } = end;
    const [last] = await listAudit(trx, { action: 'tool-end', target: request }, 1);
    if (last?.result === result) return;
    const who = by ? { by: `device:${by.device}`, byName: by.name } : { by: 'fettle', byName: 'Fettle' };
    await addAudit(trx, { at: clock.now(), ...who, action: 'tool-end', target: request, after: tool, result });
  }

  /** What is asked is kept until the answer is in the store: a hub that ends in between asks again, and hears the same. */
  async function forgetTold(): Promise<void> {
    const old = told.filter(({ at }) => clock.monotonic() - at > TOLD_MS);
    told = told.filter((one) => !old.includes(one));
    for (const { request } of old) await writeMeta(db, keyOf(request), undefined);
  }

  /** It did not get as far as the device. */
  async function forget(order: ToolOrder, request: string, error: FettleError): Promise<FettleError> {
    await db.transaction().execute(async (trx) => {
      await noteEnd(trx, { request, tool: order.tool, result: error.code, by: undefined });
      await writeMeta(trx, keyOf(request), undefined);
    });
    return error;
  }

  return {
    async list() {
      const devices = await listDevices(db);
      const kept = async (id: string) => known.get(id) ?? (await readMeta(db, toolsOf(id)));
      return Promise.all(
        devices.map(async ({ id, name }) => {
          const text = await kept(id);
          const read = text === undefined ? undefined : Kept.safeParse(JSON.parse(text));
          return { id, name, tools: read?.success ? read.data : undefined };
        }),
      );
    },

    async run(order, signal) {
      const { device, tool, args, asker, role } = order;
      const request = requestId(asker);
      const now = clock.now();
      await forgetTold();
      const { first, asked = await askedOf(request) } = await note(order, request, now);
      const ended = Promise.withResolvers<ToolResult | 'late'>();
      const expiresAt = now + ORDER_MS;
      const message = { type: 'run-tool', request, device: device.id, tool, role } as const;
      const capability = { app: 'agent', tools: [tool], paths: [] };
      /** It may have reached the device. */
      let left = !first;
      const ask = () => {
        const sent = deps.gateway().send(device.id, {
          ...{ ...message, args: [...args], capability },
          ...{ notBefore: now, expiresAt, now: clock.now(), log: asked?.log },
        });
        left ||= sent;
        return sent;
      };
      const entry: Waiting = { device: device.id, ask, end: ended.resolve, running: false };
      const offline = () =>
        new FettleError('device_offline', { data: { device: device.name, app: tool, tool }, retryable: true });
      waiting.set(request, entry);
      const isYoung = clock.monotonic() - begunAt < YOUNG_MS;
      const sent = !signal.aborted && ask();
      const limitMs = left ? (deps.waitMs ?? WAIT_MS) : (deps.waitYoungMs ?? WAIT_YOUNG_MS);
      const timer = setTimeout(() => ended.resolve('late'), limitMs);
      const stop = () => ended.reject(offline());
      signal.addEventListener('abort', stop, { once: true });
      try {
        // Asked before, it may be under way there: the device is waited for. So it is by a hub that has just begun.
        if (signal.aborted || (!sent && first && !isYoung)) throw await forget(order, request, offline());
        const result = await ended.promise;
        if (result === 'late') {
          if (!left) throw await forget(order, request, offline());
          if (asked) await writeMeta(db, keyOf(request), JSON.stringify({ ...asked, later: true }));
          if (!entry.running) {
            // It may have got there all the same; then the device tells.
            await db
              .transaction()
              .execute((trx) => noteEnd(trx, { request, tool, result: 'device_offline', by: undefined }));
            throw offline();
          }
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

    async told({ device }, tools) {
      const text = JSON.stringify(tools);
      if (known.get(device) === text) return;
      await writeMeta(db, toolsOf(device), text);
      known.set(device, text);
    },

    connected(device) {
      for (const entry of waiting.values()) if (entry.device === device) entry.ask();
    },

    async answer(peer, result) {
      const { request } = result;
      const entry = waiting.get(request);
      if (entry) {
        // A request's id is no secret: only who was asked may answer.
        if (entry.device !== peer.device) return log(`${peer.name} answers ${request}, which it was not asked`);
        if (result.state === 'running') {
          entry.running = true;
          return;
        }
        // What it is not asked again for is in the log before anybody hears of it.
        await db.transaction().execute((trx) => noteEnd(trx, endOf(peer, result)));
        entry.end(result);
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
        await noteEnd(trx, endOf(peer, result));
        await writeMeta(trx, keyOf(request), undefined);
      });
      deps.outbox.wake();
      deps.gateway().send(peer.device, { type: 'tool-ack', request });
    },
  };
}

const keyOf = (request: string) => `tool:${request}`;
const toolsOf = (device: string) => `tools-of:${device}`;

function endOf(by: Peer, result: ToolResult) {
  return { request: result.request, tool: result.tool, result: toolEnd(result), by };
}

function requestId({ who, route, eventId }: Asker): string {
  const text = [route.platform, eventId, who.id].join('\n');
  // Short, and of no token's shape: what an agent says is redacted on its way.
  return `r-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

function problemOf({ problem, tool }: ToolResult): FettleError {
  const code = problem?.code ?? 'tool_end_unknown';
  return new FettleError(isErrorCode(code) ? code : 'internal', { data: { tool, ...problem?.data } });
}
