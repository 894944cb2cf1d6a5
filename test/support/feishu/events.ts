import type { WebSocket } from 'ws';
import type { Call } from '../chat-platform.ts';
import type { Faults } from './faults.ts';
import { CONTROL, DATA, decodeFrame, encodeFrame } from './frames.ts';

/**
 * Telling events over the long connections of an app (open.feishu.cn, "Receive events through a long connection"):
 * each event goes to one connection; what is not acknowledged in 3 s is told again; card callbacks are told once.
 */

const ACK_MS = 3_000;

export interface Told {
  readonly id: string;
  /** The envelope: `schema`, `header`, `event`. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Told again until it is acknowledged. */
  readonly again: boolean;
  /** Once per telling. Milliseconds since 1970. */
  readonly toldAt: number[];
  acknowledgedAt?: number | undefined;
  /** Answers whose code was not 200. */
  refusals: number;
  /** What the handler gave back: a toast. */
  answer?: unknown;
}

export interface Connections {
  readonly events: ReadonlyMap<string, Told>;
  /** How many hear events now. */
  count(): number;
  attach(socket: WebSocket): void;
  tell(event: Told): void;
  again(id: string): void;
  disconnect(): void;
  /** Frames are neither read nor written any more, and the sockets stay open: a network that swallows. */
  silence(on: boolean): void;
  /** Events come in this many fragments, the last first. */
  fragment(parts: number): void;
  /** Bytes that are no frame, no JSON, no event. */
  nonsense(): void;
  /** Events that were not acknowledged within 3 s of being told. */
  late(): number;
  close(): void;
}

export interface ConnectionsDeps {
  readonly now: () => number;
  readonly faults: Faults;
  readonly record: (call: Call) => void;
  /** What pongs carry. */
  readonly clientConfig: () => Readonly<Record<string, number>>;
  /** After how long what was not acknowledged is told again. Milliseconds. */
  readonly repeatMs: number;
}

export function createConnections({ now, faults, record, clientConfig, repeatMs }: ConnectionsDeps): Connections {
  /** Those that have pinged: frames sent right at the opening are lost in the SDK. */
  const open: WebSocket[] = [];
  const sockets = new Set<WebSocket>();
  const events = new Map<string, Told>();
  const timers = new Set<NodeJS.Timeout>();
  let turn = 0;
  let silent = false;
  let parts = 1;
  let held: Told | undefined;

  function after(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  }

  function send(event: Told): void {
    const socket = open[turn++ % Math.max(open.length, 1)];
    if (!socket) return;
    event.toldAt.push(now());
    if (event.again) {
      after(repeatMs, () => {
        if (event.acknowledgedAt === undefined) send(event);
      });
    }
    if (silent) return;
    const payload = Buffer.from(JSON.stringify(event.body));
    const size = Math.ceil(payload.length / parts);
    const frames = Array.from({ length: parts }, (_, seq) =>
      encodeFrame({
        method: DATA,
        headers: {
          type: 'event',
          message_id: event.id,
          sum: String(parts),
          seq: String(seq),
          trace_id: `trace-${event.id}`,
          timestamp: String(now()),
        },
        payload: payload.subarray(seq * size, (seq + 1) * size),
      }),
    );
    for (const frame of frames.toReversed()) socket.send(frame);
  }

  function hear(socket: WebSocket, bytes: Buffer): void {
    if (silent) return;
    const frame = decodeFrame(bytes);
    if (frame.method === CONTROL && frame.headers.type === 'ping') {
      const payload = Buffer.from(JSON.stringify(clientConfig()));
      socket.send(encodeFrame({ method: CONTROL, headers: { type: 'pong' }, payload }));
      if (open.includes(socket)) return;
      open.push(socket);
      // What nobody acknowledged is told to whoever comes: the platform's own tries, 15 s to 6 h apart, in short.
      for (const event of events.values()) if (event.again && event.acknowledgedAt === undefined) send(event);
      return;
    }
    const event = events.get(frame.headers.message_id ?? '');
    if (frame.method !== DATA || !event) return;
    const answer = JSON.parse(frame.payload.toString()) as { code: number; data?: string };
    const lost = faults.next('acknowledge') !== undefined;
    const answered = lost ? 'dropped' : answer.code;
    record({ at: now(), what: 'acknowledge', name: event.id, answered, body: answer });
    if (lost) return;
    if (answer.data) event.answer = JSON.parse(Buffer.from(answer.data, 'base64').toString());
    if (answer.code !== 200 || frame.headers.biz_rt === undefined) event.refusals += 1;
    else event.acknowledgedAt ??= now();
  }

  return {
    events,
    count: () => open.length,
    attach(socket) {
      sockets.add(socket);
      socket.on('message', (data) => hear(socket, data as Buffer));
      socket.on('error', () => socket.terminate());
      socket.on('close', () => {
        sockets.delete(socket);
        const at = open.indexOf(socket);
        if (at !== -1) open.splice(at, 1);
      });
    },
    tell(event) {
      events.set(event.id, event);
      const fault = faults.next('event');
      switch (fault?.do) {
        case undefined:
          send(event);
          break;
        case 'lose':
          // Told, as the platform sees it; a network took it.
          event.toldAt.push(now());
          if (event.again) after(repeatMs, () => event.acknowledgedAt === undefined && send(event));
          break;
        case 'duplicate':
          send(event);
          send(event);
          break;
        case 'delay':
          after(fault.ms, () => send(event));
          break;
        case 'reorder':
          held = event;
          return;
      }
      if (held) {
        send(held);
        held = undefined;
      }
    },
    again(id) {
      const event = events.get(id);
      if (!event) throw new Error(`no event ${id}`);
      send(event);
    },
    disconnect() {
      for (const socket of sockets) socket.terminate();
    },
    silence(on) {
      silent = on;
    },
    fragment(count) {
      parts = count;
    },
    nonsense() {
      for (const socket of open) {
        socket.send(Buffer.from([0xff, 0x00, 0x13]));
        socket.send('text');
        const headers = { type: 'event', message_id: 'nonsense', sum: '1', seq: '0', trace_id: 't' };
        socket.send(encodeFrame({ method: DATA, headers, payload: Buffer.from('{') }));
        socket.send(encodeFrame({ method: DATA, headers: { ...headers, sum: '-3' }, payload: Buffer.from('{}') }));
        for (const body of [
          {},
          { schema: '2.0' },
          { schema: '2.0', header: { event_type: 'im.message.receive_v1' } },
        ]) {
          socket.send(encodeFrame({ method: DATA, headers, payload: Buffer.from(JSON.stringify(body)) }));
        }
        socket.send(encodeFrame({ method: CONTROL, headers: { type: 'pong' }, payload: Buffer.from('no JSON') }));
      }
    },
    late: () =>
      [...events.values()].filter((event) => {
        const told = event.toldAt[0];
        return told !== undefined && (event.acknowledgedAt ?? now()) - told > ACK_MS;
      }).length,
    close() {
      for (const timer of timers) clearTimeout(timer);
      for (const socket of sockets) socket.terminate();
    },
  };
}
