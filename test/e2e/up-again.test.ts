import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Home, makeHome } from '../support/home.ts';

/** What kept the hub from starting is named, and once it is mended `fettle up` starts it. */

let home: Home;
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.close(), 60_000);

test('a port for devices that is taken: said where it is set, and the next start has no memory of it', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  try {
    writeFileSync(home.layout.config, `hub: {listen: "127.0.0.1:${port}", tls: self-signed}\napps: {}\n`);
    const failed = await home.fettle(['up', '--detach']);
    expect(failed.code).not.toBe(0);
    expect(failed.err + failed.out).toContain(`The hub can't listen at 127.0.0.1:${port}`);
    expect(failed.err + failed.out).toContain('Look at `hub.listen`');
  } finally {
    await new Promise((resolve) => other.close(resolve));
  }
  const started = await home.fettle(['up', '--detach']);
  expect(started, started.err + started.out).toMatchObject({ code: 0 });
}, 120_000);
