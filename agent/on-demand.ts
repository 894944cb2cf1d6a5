import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentConfig } from '../config/agent-schema.ts';
import type { HomeLayout } from '../config/home.ts';
import type { Clock } from '../src/domain/id.ts';
import type { Redact } from '../src/domain/redact.ts';
import type { AgentMessage } from '../src/protocol/messages.ts';
import type { DeviceAudit } from './audit/index.ts';
import { createPolicyInbox, type PolicyInbox } from './policy-inbox.ts';
import { createToolShed, type ToolShed } from './tools/shed.ts';

/** What an agent was started with, as far as these need it. */
interface Started {
  readonly layout: HomeLayout;
  readonly config: AgentConfig;
  readonly policyFile?: string | undefined;
  readonly parsePolicy?: ((text: string, file: string) => AgentConfig) | undefined;
  readonly basicEnvironment: Readonly<Record<string, string>>;
  readonly redact: Redact;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

/** Parts of an agent that are rarely asked for: their code is loaded when they are. */
export function createOnDemand(deps: {
  readonly options: Started;
  readonly device: { readonly id: string; readonly name: string };
  readonly audit: DeviceAudit;
  readonly isBusy: (app: string) => boolean;
  readonly send: (message: AgentMessage) => void;
  /** Has the agent begin anew. */
  readonly restart: () => Promise<void>;
}): { readonly tools: ToolShed; readonly policies: PolicyInbox } {
  const { options, device, audit, send } = deps;
  const { layout, config, clock, log } = options;
  return {
    tools: createToolShed({
      tools: config.tools,
      device: device.id,
      folder: join(layout.agent.dir, 'tools'),
      basicEnvironment: options.basicEnvironment,
      clock,
      audit,
      redact: options.redact,
      send: (result) => send({ type: 'tool-result', result }),
      log,
    }),
    policies: createPolicyInbox({
      ...{ config, device, audit, send, log, restart: deps.restart, now: clock.now },
      file: options.policyFile,
      parse: options.parsePolicy,
      seenFile: join(layout.agent.dir, 'policy.json'),
      isInstalled: (app) => existsSync(layout.app(app).current),
      isBusy: () => [...Object.keys(config.apps), 'hub', 'agent'].some(deps.isBusy),
    }),
  };
}
