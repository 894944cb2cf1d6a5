import { chatScenarios } from '../support/chat-scenarios.ts';
import { startTelegram } from '../support/telegram/index.ts';

chatScenarios(startTelegram, { tellsAgain: true });
