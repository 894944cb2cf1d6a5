/** Discord. The library is loaded with this file, and only where the chat is configured. */

export { createAdapter } from './adapter.ts';
export { checkCredentials } from './check.ts';
