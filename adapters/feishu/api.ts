import { Client, defaultHttpInstance, LoggerLevel } from '@larksuiteoapi/node-sdk';
import { z } from 'zod';
import { FeishuFailure, failureOf, refusal } from './failure.ts';
import type { Way } from './way.ts';

/** Feishu's API as this adapter needs it. Everything that it throws is a {@link FeishuFailure}. */

/** An answer that takes longer counts as none. */
const TIMEOUT_MS = 15_000;
/** How many pages of a chat's history are looked through. */
const MAX_PAGES = 10;

/** Where the SDK asks for a token, and where for the address of the long connection. */
const TOKEN_PATH = '/open-apis/auth/v3/tenant_access_token/internal';
const ENDPOINT_PATH = '/callback/ws/endpoint';

/** The SDK's logger, with which nothing is printed and no secret shown. */
export interface QuietLogger {
  readonly error: (...all: unknown[]) => void;
  readonly warn: (...all: unknown[]) => void;
  readonly info: (...all: unknown[]) => void;
  readonly debug: (...all: unknown[]) => void;
  readonly trace: (...all: unknown[]) => void;
}

export interface ApiOptions {
  readonly appId: string;
  readonly secret: string;
  /** `https://open.feishu.cn` */
  readonly domain: string;
  readonly way: Way;
  /** Ends requests that are under way. */
  readonly signal: AbortSignal;
  readonly logger: QuietLogger;
}

export interface Bot {
  readonly openId: string;
  readonly name: string;
  /** "Get bot info": 2 is enabled, 1 disabled by the tenant, 0 and 3 not yet enabled, 4 to be updated. */
  readonly activateStatus: number;
}

/** A card that is to be shown, as the JSON that the platform takes. */
export interface Posting {
  readonly card: string;
  /** At most 50 characters; for an hour the platform shows one message for it. */
  readonly uuid: string;
}

/** A message of a chat's history. */
export interface PastMessage {
  readonly id: string;
  readonly fromUs: boolean;
  readonly parent: string | undefined;
  readonly at: number;
  readonly title: string | undefined;
}

/** As the SDK's own: answers are what is in them. */
export type HttpInstance = NonNullable<ConstructorParameters<typeof Client>[0]['httpInstance']>;

export interface Api {
  /** What the long connection's client asks with. */
  readonly http: HttpInstance;
  bot(): Promise<Bot>;
  /** Is the secret good? Asks for a token anew. */
  checkSecret(): Promise<void>;
  /** @param chat `oc_…` a chat, `ou_…` a person */
  create(chat: string, posting: Posting): Promise<{ readonly id: string; readonly chat: string | undefined }>;
  reply(
    message: string,
    thread: boolean,
    posting: Posting,
  ): Promise<{ readonly id: string; readonly chat: string | undefined }>;
  patch(message: string, card: string): Promise<void>;
  /** What was said in a chat since then, newest first. */
  history(chat: string, since: number): Promise<readonly PastMessage[]>;
  /** The name of a person. */
  name(person: string): Promise<string | undefined>;
  /** The scopes that are granted ("Query authorization status of tenant"); needs none itself. */
  scopes(): Promise<ReadonlySet<string>>;
  /** What the long connection's endpoint refused with last; forgotten with the next success. */
  endpointRefusal(): FeishuFailure | undefined;
}

const Envelope = z.object({ code: z.number(), msg: z.string().optional() });
const Sent = z.object({ message_id: z.string().min(1), chat_id: z.string().optional() });
const BotInfo = z.object({
  bot: z.object({
    open_id: z.string().min(1),
    app_name: z.string().default(''),
    activate_status: z.number().default(2),
  }),
});
const History = z.object({
  has_more: z.boolean().default(false),
  page_token: z.string().optional(),
  items: z
    .array(
      z.object({
        message_id: z.string(),
        parent_id: z.string().optional(),
        create_time: z.coerce.number(),
        deleted: z.boolean().default(false),
        sender: z.object({ id: z.string() }),
        body: z.object({ content: z.string() }).optional(),
      }),
    )
    .default([]),
});
const Scopes = z.object({
  scopes: z.array(z.object({ scope_name: z.string(), grant_status: z.number() })).default([]),
});
/** The SDK takes whatever is there for milliseconds: without a number it would ping without a pause. */
const Endpoint = z.object({
  data: z.object({
    URL: z.string().regex(/^wss?:\/\//),
    ClientConfig: z.object({
      PingInterval: z.number().positive(),
      ReconnectInterval: z.number(),
      ReconnectNonce: z.number(),
    }),
  }),
});
const UserInfo = z.object({ user: z.object({ name: z.string().optional() }) });

export function createApi(options: ApiOptions): Api {
  const { appId, secret, domain, way, signal, logger } = options;
  let endpointRefusal: FeishuFailure | undefined;
  const http = defaultHttpInstance.create({
    timeout: TIMEOUT_MS,
    ...(way.agent === undefined ? {} : { httpAgent: way.agent, httpsAgent: way.agent }),
    // The agent decides; the client would read the environment a second time.
    proxy: false,
    maxRedirects: 0,
    // What is not JSON is left as text, and refused by what reads it.
    transitional: { silentJSONParsing: true },
  });
  http.interceptors.request.use((request) => {
    request.signal = signal;
    return request;
  });
  http.interceptors.response.use(
    (response) => {
      const failure = codeOf(response.status, response.data, response.config.url);
      if (failure) throw failure;
      return response.data;
    },
    (error: unknown) => {
      const failure = failureOf(error);
      const url = (error as { config?: { url?: string } }).config?.url;
      if (url?.endsWith(ENDPOINT_PATH)) endpointRefusal = failure;
      throw failure;
    },
  );

  /** The SDK looks at neither of these answers' codes as one needs it: the token's is hidden in a text, the endpoint's too. */
  function codeOf(status: number, data: unknown, url: string | undefined): FeishuFailure | undefined {
    const endpoint = url?.endsWith(ENDPOINT_PATH) === true;
    if (!endpoint && url?.endsWith(TOKEN_PATH) !== true) return undefined;
    const parsed = Envelope.safeParse(data);
    const failure = !parsed.success
      ? new FeishuFailure('trouble', 'the answer is not understood')
      : parsed.data.code !== 0
        ? refusal(status, parsed.data)
        : endpoint && !Endpoint.safeParse(data).success
          ? new FeishuFailure('trouble', 'the address of the connection is not understood')
          : undefined;
    if (endpoint) endpointRefusal = failure;
    return failure;
  }

  /** The SDK's own is shared by all that is in this process. */
  let token: { readonly value: unknown; readonly until: number } | undefined;
  const cache = {
    async set(_key: unknown, value: unknown, until = Number.POSITIVE_INFINITY) {
      token = { value, until };
      return true;
    },
    get: async () => (token !== undefined && token.until > Date.now() ? token.value : undefined),
  };
  // Its interceptors make it what the SDK's own is; the type does not say so.
  const instance = http as unknown as HttpInstance;
  const client = new Client({
    appId,
    appSecret: secret,
    domain,
    cache,
    httpInstance: instance,
    logger,
    loggerLevel: LoggerLevel.error,
  });

  /** Asks once, and once more with a new token where the platform refuses the one that it gave. */
  async function call(method: string, url: string, given: { params?: object; data?: object } = {}): Promise<unknown> {
    try {
      return await ask(method, url, given);
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind !== 'token') throw failure;
      token = undefined;
      return ask(method, url, given);
    }
  }

  async function ask(method: string, url: string, given: { params?: object; data?: object }): Promise<unknown> {
    let answer: unknown;
    try {
      answer = await client.request({ method, url, ...given });
    } catch (error) {
      throw failureOf(error);
    }
    const parsed = Envelope.safeParse(answer);
    // A proxy's or a sign-in page's answer.
    if (!parsed.success) throw new FeishuFailure('trouble', 'the answer is not understood');
    if (parsed.data.code !== 0) throw refusal(200, parsed.data);
    return answer;
  }

  /** What an answer must have; another is no answer. */
  function read<T>(schema: z.ZodType<T>, value: unknown): T {
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw new FeishuFailure('trouble', 'the answer is not understood');
    return parsed.data;
  }
  const dataOf = (answer: unknown) => (answer as { data?: unknown }).data;
  const sentOf = (answer: unknown) => {
    const { message_id: id, chat_id: chat } = read(Sent, dataOf(answer));
    return { id, chat };
  };

  return {
    http: instance,
    endpointRefusal: () => endpointRefusal,
    async bot() {
      const { bot } = read(BotInfo, await call('GET', '/open-apis/bot/v3/info'));
      return { openId: bot.open_id, name: bot.app_name, activateStatus: bot.activate_status };
    },
    async checkSecret() {
      token = undefined;
      await call('GET', '/open-apis/bot/v3/info');
    },
    async create(chat, { card, uuid }) {
      const params = { receive_id_type: chat.startsWith('ou_') ? 'open_id' : 'chat_id' };
      const data = { receive_id: chat, msg_type: 'interactive', content: card, uuid };
      return sentOf(await call('POST', '/open-apis/im/v1/messages', { params, data }));
    },
    async reply(message, thread, { card, uuid }) {
      const data = { msg_type: 'interactive', content: card, uuid, ...(thread ? { reply_in_thread: true } : {}) };
      return sentOf(await call('POST', `/open-apis/im/v1/messages/${encodeURIComponent(message)}/reply`, { data }));
    },
    async patch(message, card) {
      await call('PATCH', `/open-apis/im/v1/messages/${encodeURIComponent(message)}`, { data: { content: card } });
    },
    async history(chat, since) {
      const found: PastMessage[] = [];
      let token: string | undefined;
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const params = {
          container_id_type: 'chat',
          container_id: chat,
          start_time: String(Math.floor(since / 1_000)),
          sort_type: 'ByCreateTimeDesc',
          page_size: 50,
          ...(token === undefined ? {} : { page_token: token }),
        };
        const { items, has_more, page_token } = read(
          History,
          dataOf(await call('GET', '/open-apis/im/v1/messages', { params })),
        );
        for (const item of items) {
          if (item.deleted) continue;
          found.push({
            id: item.message_id,
            fromUs: item.sender.id === appId,
            parent: item.parent_id,
            at: item.create_time,
            title: titleOf(item.body?.content),
          });
        }
        if (!has_more || page_token === undefined) break;
        token = page_token;
      }
      return found;
    },
    async scopes() {
      const { scopes } = read(Scopes, dataOf(await call('GET', '/open-apis/application/v6/scopes')));
      return new Set(scopes.filter(({ grant_status }) => grant_status === 1).map(({ scope_name }) => scope_name));
    },
    async name(person) {
      const answer = await call('GET', `/open-apis/contact/v3/users/${encodeURIComponent(person)}`, {
        params: { user_id_type: 'open_id' },
      });
      return read(UserInfo, dataOf(answer)).user.name;
    },
  };
}

/** The title of a card in a chat's history, where the platform gives it back. */
function titleOf(content: string | undefined): string | undefined {
  try {
    const parsed = z.object({ title: z.string() }).safeParse(JSON.parse(content ?? ''));
    return parsed.success && parsed.data.title !== '' ? parsed.data.title : undefined;
  } catch {
    return undefined;
  }
}
