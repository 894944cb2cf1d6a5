import type { Migration } from 'kysely/migration';
import * as first from './0001-first.ts';
import * as handsOff from './0002-hands-off.ts';
import * as chats from './0003-chats.ts';
import * as people from './0004-people.ts';
import * as devices from './0005-devices.ts';
import * as audit from './0006-audit.ts';
import * as shownOnce from './0007-shown-once.ts';

/** Append only, additive only: hub N must run on the schema of N+1. A removal waits one release. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001-first': first,
  '0002-hands-off': handsOff,
  '0003-chats': chats,
  '0004-people': people,
  '0005-devices': devices,
  '0006-audit': audit,
  '0007-shown-once': shownOnce,
};
