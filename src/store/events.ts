import type { Kysely, Selectable } from 'kysely';
import type { Database, EventTable } from './schema.ts';

/** The events of one update, in order. */
export async function eventsOf(db: Kysely<Database>, update: string): Promise<Selectable<EventTable>[]> {
  return db.selectFrom('events').selectAll().where('update_id', '=', update).orderBy('seq').execute();
}
