import type { Adapter, Capabilities, Connection, Delivery, Outgoing, Sink } from '../../src/chat/contract.ts';

/** A chat platform in memory, which shows a key once and can misbehave on command. */
export interface FakeChat extends Adapter {
  /** What a reader sees, oldest first. */
  readonly shown: { readonly ref: string; readonly key: string; message: Outgoing }[];
  /** Every call, in order. */
  readonly calls: {
    readonly what: 'send' | 'edit';
    readonly key: string;
    readonly title: string;
    readonly at: number;
  }[];
  /** Answers the next calls with these instead; a function may do something first. */
  next(...deliveries: (Delivery | 'throw' | (() => Promise<Delivery>))[]): void;
  /** Nobody is there to read. */
  attended: boolean;
  sink: Sink | undefined;
}

export function createFakeChat(platform = 'fake', capabilities: Partial<Capabilities> = {}): FakeChat {
  const scripted: (Delivery | 'throw' | (() => Promise<Delivery>))[] = [];
  let refs = 0;
  const connection: Connection = { state: 'connected', since: 0 };

  async function scriptedAnswer(): Promise<Delivery | undefined> {
    const next = scripted.shift();
    if (next === 'throw') throw new Error('socket hang up');
    if (typeof next === 'function') return next();
    if (next === undefined && !chat.attended) return { result: 'unattended' };
    return next;
  }

  const chat: FakeChat = {
    platform,
    capabilities: {
      edit: true,
      buttons: true,
      threads: true,
      slash: false,
      ephemeral: false,
      completion: false,
      maxLength: 4_000,
      editIntervalMs: 60,
      ...capabilities,
    },
    shown: [],
    calls: [],
    attended: true,
    sink: undefined,
    next: (...deliveries) => void scripted.push(...deliveries),
    start: async (sink) => {
      chat.sink = sink;
    },
    stop: async () => undefined,
    connection: () => connection,
    async send(message) {
      chat.calls.push({ what: 'send', key: message.key, title: message.reply.title, at: Date.now() });
      const answer = await scriptedAnswer();
      if (answer && answer.result !== 'sent') return answer;
      const before = chat.shown.find(({ key }) => key === message.key);
      if (before) return { result: 'sent', ref: before.ref };
      refs += 1;
      const ref = `m${refs}`;
      chat.shown.push({ ref, key: message.key, message });
      return { result: 'sent', ref };
    },
    async edit(ref, message) {
      chat.calls.push({ what: 'edit', key: message.key, title: message.reply.title, at: Date.now() });
      const answer = await scriptedAnswer();
      if (answer && answer.result !== 'sent') return answer;
      const before = chat.shown.find((one) => one.ref === ref);
      if (!before) return { result: 'impossible', reason: 'no such message' };
      before.message = message;
      return { result: 'sent', ref };
    },
  };
  return chat;
}
