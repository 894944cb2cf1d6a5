import type { Apps } from './apps.ts';
import type { KeeperRequest } from './parse.ts';
import type { KeeperHello } from './protocol.ts';

/** What requests can do besides what they do to apps. */
export interface Control {
  readonly apps: Apps;
  hello(): KeeperHello;
  /** The agent is well, so this keeper is. */
  served(): void;
  /** Ends the keeper once the answer is out. */
  renew(): void;
  /** Resolves when all apps have ended; the keeper ends once the answer is out. */
  shutdown(): Promise<void>;
}

/**
 * Does what one request asks for.
 * @returns its result; `undefined` for an empty one
 * @throws {FettleError} the refusal
 */
export async function answerRequest(request: KeeperRequest, control: Control): Promise<unknown> {
  const { apps } = control;
  switch (request.op) {
    case 'hello':
      return control.hello();
    case 'status':
      return { apps: apps.status() };
    case 'keep':
      return apps.keep(request.app, request.spec);
    case 'forget':
      return apps.forget(request.app);
    case 'start':
      return apps.get(request.app).start();
    case 'restart':
      return apps.get(request.app).restart();
    case 'stop':
      return apps.get(request.app).stop(request);
    case 'hold':
      return apps.get(request.app).hold(request.hold);
    case 'release':
      return apps.get(request.app).release();
    case 'commit':
      await apps.get(request.app).commit();
      if (request.app === 'agent') control.served();
      return undefined;
    case 'renew':
      return control.renew();
    case 'shutdown':
      return control.shutdown();
    default:
      return request satisfies never;
  }
}
