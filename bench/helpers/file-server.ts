/** Serves random bytes from memory, in its own process. */
import { createHash, randomFillSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Served {
  readonly port: number;
  readonly sha256: string;
}

process.on('disconnect', () => process.exit(0));
process.on('message', ({ bytes }: { bytes: number }) => {
  const body = randomFillSync(Buffer.allocUnsafe(bytes));
  const sha256 = createHash('sha256').update(body).digest('hex');
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': body.length, etag: `"${sha256.slice(0, 16)}"` });
    response.end(body);
  });
  server.listen(0, '127.0.0.1', () => {
    const served: Served = { port: (server.address() as AddressInfo).port, sha256 };
    process.send?.(served);
  });
});
