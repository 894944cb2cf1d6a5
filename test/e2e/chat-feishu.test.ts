import { chatScenarios } from '../support/chat-scenarios.ts';
import { startFeishu } from '../support/feishu/index.ts';

chatScenarios(startFeishu, { tellsAgain: true });
