/** Says every line back that it hears on a local socket: what a round trip takes at least. */
import { createServer } from 'node:net';

process.on('disconnect', () => process.exit(0));
process.on('message', ({ path }: { path: string }) => {
  createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => socket.write(chunk));
  }).listen(path, () => process.send?.('listening'));
});
