import { connect } from 'node:net';
import { listeningPorts } from '../keeper/processes.ts';
import type { Check } from './contract.ts';
import { isLoopback, reasonOf } from './http.ts';

/** Takes a new connection on a port that the app itself owns. Nothing is said on it. */
export const tcpCheck: Check = {
  kind: 'tcp',
  applies: (health) => health.tcp !== undefined,
  async look(subject, health, signal) {
    const { host, port } = health.tcp ?? { host: '', port: 0 };
    const shown = isLoopback(host) ? `port ${port}` : `${host}:${port}`;
    try {
      await connectOnce(host, port, AbortSignal.any([signal, AbortSignal.timeout(health.timeout)]));
    } catch (error) {
      signal.throwIfAborted();
      return { good: false, reason: `${shown} takes no connection (${reasonOf(error)})` };
    }
    if (isLoopback(host) && !listeningPorts(await subject.pids()).includes(port)) {
      return { good: false, reason: `port ${port} belongs to another program` };
    }
    return { good: true };
  },
};

function connectOnce(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    // A host in brackets is an IPv6 address, as in addresses of the web.
    const socket = connect({ host: host.replace(/^\[(.*)\]$/, '$1'), port });
    const end = () => socket.destroy(Object.assign(new Error('too slow'), { name: 'AbortError' }));
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    socket.once('connect', () => {
      resolve();
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => signal.removeEventListener('abort', end));
  });
}
