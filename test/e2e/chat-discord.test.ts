import { chatScenarios } from '../support/chat-scenarios.ts';
import { startDiscord } from '../support/discord/index.ts';

chatScenarios(startDiscord, { tellsAgain: false });
