import { readFileSync, statSync } from 'node:fs';

/** A user of this machine. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
  /** The number where the machine's own list does not name it. */
  readonly name: string;
  readonly home: string | undefined;
  readonly root: boolean;
}

/** Whose a home is, or will be: everything of it runs as that user. */
export function ownerOf(home: string): Owner {
  const stat = statSync(home, { throwIfNoEntry: false });
  // A home that is not there yet will belong to whoever makes it.
  const { uid, gid } = stat ?? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  return userOf(uid, gid);
}

/** The user of a number, as passwd(5) has it. */
export function userOf(uid: number, gid: number): Owner {
  let found: readonly string[] | undefined;
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
    found = lines.map((line) => line.split(':')).find(([, , id]) => id === String(uid));
  } catch {
    // Users come from elsewhere.
  }
  return { uid, gid: Number(found?.[3] ?? gid), name: found?.[0] ?? String(uid), home: found?.[5], root: uid === 0 };
}

/** {@link asUser} for what waits for nothing, as the owner of a folder: root makes and changes nothing in one of somebody else's. */
export function asOwnerOf<T>(folder: string, work: () => T): T {
  const { uid, gid } = statSync(folder);
  const [ownUid, ownGid] = [process.geteuid?.() ?? uid, process.getegid?.() ?? gid];
  if (uid === ownUid || ownUid !== 0) return work();
  process.setegid?.(gid);
  process.seteuid?.(uid);
  try {
    return work();
  } finally {
    process.seteuid?.(ownUid);
    process.setegid?.(ownGid);
  }
}

/** Does work as a user, so that what it makes is that user's. What root alone may do is not possible meanwhile. */
export async function asUser<T>({ uid, gid }: Owner, work: () => Promise<T>): Promise<T> {
  const [ownUid, ownGid] = [process.geteuid?.() ?? uid, process.getegid?.() ?? gid];
  if (uid === ownUid) return work();
  process.setegid?.(gid);
  process.seteuid?.(uid);
  try {
    return await work();
  } finally {
    process.seteuid?.(ownUid);
    process.setegid?.(ownGid);
  }
}
