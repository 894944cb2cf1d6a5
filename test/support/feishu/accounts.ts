import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * `accounts.feishu.cn`, where an app is made by a scan: the device grant of RFC 8628 as the SDK's `registerApp` speaks
 * it (`POST /oauth/v1/app/registration`, forms; what is not yet decided is HTTP 400).
 */
export interface Accounts {
  readonly url: string;
  /** What polling is answered with from now on. */
  decide(answer: 'pending' | 'allow' | 'allow-lark' | 'deny' | 'expire'): void;
  /** Forms that came in. */
  readonly forms: readonly Readonly<Record<string, string>>[];
  /** Requests are taken and not answered any more. */
  hang(): void;
  close(): Promise<void>;
}

export const REGISTERED = { appId: 'cli_00112233445566aa', appSecret: 'a secret of a test' };

/** @param open the address of open.feishu.cn, and its app that is made: in tests, domains are one address */
export async function startAccounts(open?: {
  readonly url: string;
  readonly app: { readonly appId: string; readonly appSecret: string };
}): Promise<Accounts> {
  const forms: Readonly<Record<string, string>>[] = [];
  let decided: Parameters<Accounts['decide']>[0] = 'pending';
  let hanging = false;
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const path = incoming.url ?? '';
      if (open && !path.startsWith('/oauth/v1/app/registration')) {
        forward(open.url + path, incoming, Buffer.concat(chunks), response);
        return;
      }
      const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
      forms.push(form);
      if (hanging) return;
      const [status, body] = answer(form);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });

  function answer(form: Readonly<Record<string, string>>): [number, unknown] {
    if (form.action === 'begin') {
      return [
        200,
        {
          device_code: 'device-1',
          user_code: 'ABCD',
          verification_uri_complete: 'https://accounts.example/scan?user_code=ABCD',
          expires_in: 600,
          interval: 0.05,
        },
      ];
    }
    if (form.action !== 'poll' || form.device_code !== 'device-1') return [400, { error: 'invalid_request' }];
    const { appId, appSecret } = open?.app ?? REGISTERED;
    const made = { client_id: appId, client_secret: appSecret };
    switch (decided) {
      case 'pending':
        return [400, { error: 'authorization_pending' }];
      case 'allow':
        return [200, { ...made, user_info: { open_id: 'ou_1', tenant_brand: 'feishu' } }];
      case 'allow-lark':
        return [200, { ...made, user_info: { open_id: 'ou_1', tenant_brand: 'lark' } }];
      case 'deny':
        return [400, { error: 'access_denied', error_description: 'The user declined.' }];
      case 'expire':
        return [400, { error: 'expired_token', error_description: 'Too late.' }];
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    forms,
    decide(answer) {
      decided = answer;
    },
    hang() {
      hanging = true;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function forward(url: string, from: IncomingMessage, body: Buffer, to: ServerResponse): void {
  const { method, headers } = from;
  const onward = request(url, { method, headers: { ...headers, host: new URL(url).host } }, (answer) => {
    to.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(to);
  });
  onward.on('error', () => to.destroy());
  onward.end(body);
}
