import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { HomeLayout } from '../config/home.ts';
import { readTrimmed, writeDurably } from '../src/files/durable.ts';

/** The device's name among hubs, made at the first need. */
export function readDeviceId(layout: HomeLayout): string {
  const file = join(layout.agent.dir, 'id');
  const known = readTrimmed(file);
  if (known) return known;
  const id = `d-${randomUUID()}`;
  writeDurably(file, `${id}\n`);
  return id;
}
