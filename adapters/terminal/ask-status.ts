import { createConnection } from 'node:net';
import { createLineReader, readJson } from './lines.ts';
import { HubMessage, type HubStatus, MAX_HUB_LINE } from './protocol.ts';

/**
 * Asks the hub once how it is, without taking part in the chat.
 *
 * @throws {Error} where no hub listens, or it does not answer within `timeoutMs`
 */
export function askStatus(path: string, timeoutMs: number): Promise<HubStatus> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const timer = setTimeout(() => end(new Error('the hub does not answer in time')), timeoutMs);
    const end = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const reader = createLineReader(MAX_HUB_LINE);
    socket.on('connect', () => socket.write(`${JSON.stringify({ type: 'status', id: '1' })}\n`));
    socket.on('error', end);
    socket.on('close', () => end(new Error('the hub closed the connection')));
    socket.on('data', (chunk) => {
      try {
        for (const line of reader.feed(chunk)) {
          const message = HubMessage.safeParse(readJson(line));
          if (!message.success || message.data.type !== 'status') continue;
          clearTimeout(timer);
          resolve(message.data.status);
          socket.destroy();
        }
      } catch (error) {
        end(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}
