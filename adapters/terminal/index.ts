export { askStatus } from './ask-status.ts';
export { connectTerminal, type TerminalClient } from './client.ts';
export { layout, NO_PAINT } from './layout.ts';
export { createPlainOutput } from './plain.ts';
export type { HubStatus, Shown } from './protocol.ts';
export { createScreen, type Screen } from './screen.ts';
export { createTerminalAdapter, LOCAL, TERMINAL, type TerminalOptions } from './server.ts';
