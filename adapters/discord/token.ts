import { createHash } from 'node:crypto';

/** A bot's token: its id, a time and a signature, each in base64url (Reference, "Authentication"). */

/** Does it look like one? A client secret, or half of a token, does not. */
export function looksLikeToken(token: string): boolean {
  const [, id = ''] = /^([\w-]{18,})\.[\w-]{4,}\.[\w-]{20,}$/.exec(token) ?? [];
  return /^\d{15,21}$/.test(Buffer.from(id, 'base64url').toString('latin1'));
}

/** Tells whether two tokens are the same one, without keeping either. */
export function tokenMark(token: string): string {
  return createHash('sha256').update(`discord:${token}`).digest('base64url').slice(0, 16);
}

/** Where people make a new one. */
export const PORTAL = 'https://discord.com/developers/applications';
