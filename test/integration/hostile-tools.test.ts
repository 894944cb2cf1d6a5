import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { generateMinisignKey } from '../../src/origin/minisign-secret.ts';
import type { AgentMessage, HubMessage } from '../../src/protocol/messages.ts';
import { POLICY_FORMAT, type PolicyDocument } from '../../src/protocol/policy-document.ts';
import { device, deviceText, folder, hub, id, lie, restartAgent, useHostileWorld } from '../support/hostile-world.ts';
import { entriesOf } from '../support/tool-log.ts';
import { until } from '../support/until.ts';

/** Tools and policies of a hub in somebody else's hands: see hostile-world. */

useHostileWorld();

type RunTool = Extract<HubMessage, { type: 'run-tool' }>;

function tool(name: string, args: string[], more: Partial<RunTool> = {}): RunTool {
  const now = Date.now();
  const request = `r-${randomBytes(6).toString('hex')}`;
  const asked = { type: 'run-tool', request, device: id, tool: name, args } as const;
  return { ...asked, role: 'operator', now, notBefore: now, expiresAt: now + 300_000, ...more };
}

/** What a request came to, as the device tells it from here on. */
async function toolVerdict(message: RunTool): Promise<string> {
  const before = hub.heard.length;
  await hub.say(message);
  const { request } = message;
  const end = (said: AgentMessage) =>
    said.type === 'tool-result' && said.result.request === request && said.result.state !== 'running'
      ? said.result
      : undefined;
  const result = await until(
    `the end of ${message.tool}`,
    () =>
      hub.heard
        .slice(before)
        .map(end)
        .find((one) => one !== undefined),
    60_000,
  );
  return result.problem?.code ?? `${result.state} ${result.code}`;
}

/** The entries of the device's own log about tools or policies: what and how. */
const logged = (what: 'tool' | 'policy') => entriesOf(device.layout.agent.audit).filter((entry) => entry.what === what);

describe('tools that lie', () => {
  test.each<[string, string, () => RunTool]>([
    ['a tool that the file does not name', 'capability_denied', () => tool('reboot', [])],
    ['a tool that is a path', 'capability_denied', () => tool('/bin/sh', [])],
    ['a tool that is a property of objects', 'capability_denied', () => tool('constructor', [])],
    ['a value that its arguments do not allow', 'tool_refused', () => tool('mark', ['NOT-THIS'])],
    ['a value that a shell would run', 'tool_refused', () => tool('mark', ['$(touch pwned)'])],
    ['a value that is an option', 'tool_refused', () => tool('mark', ['--reference=note'])],
    ['one value too many', 'tool_refused', () => tool('mark', ['a', 'b'])],
    ['a value with ../', 'tool_refused', () => tool('show', ['../agent/key'])],
    ['a path elsewhere', 'tool_refused', () => tool('show', ['/etc/passwd'])],
    [
      'a tool by an order for another',
      'capability_denied',
      () => tool('mark', ['x'], { capability: { app: 'agent', tools: ['show'], paths: [] } }),
    ],
    ['a tool for admins, by an operator', 'not_allowed', () => tool('reset', [])],
    ['a tool request for another device', 'capability_denied', () => tool('mark', ['x'], { device: 'd-other' })],
    ['a tool request that is over', 'order_expired', () => tool('mark', ['x'], { expiresAt: Date.now() - 1 })],
    [
      'a tool request from the future',
      'order_expired',
      () => tool('mark', ['x'], { notBefore: Date.now() + 3_600_000 }),
    ],
    [
      'a tool request that is good for ever',
      'order_expired',
      () => tool('mark', ['x'], { expiresAt: Date.now() + 1e12 }),
    ],
  ])('%s: %s', async (what, expected, make) => {
    const asked = make();
    await lie(what, expected, () => toolVerdict(asked));
    // With its code in the device's own log, too.
    expect(logged('tool').find(({ request }) => request === asked.request)).toMatchObject({ verdict: expected });
  });

  test('one that was carried out before the agent was restarted: told again, not run', async () => {
    const asked = tool('mark', ['once']);
    expect(await toolVerdict(asked)).toBe('ended 0');
    rmSync(join(folder, 'marks', 'once'));
    const before = hub.heard.length;
    await restartAgent();
    // The hub has not said that it heard: it is told at the connect.
    const offered = () =>
      hub.heard.slice(before).some((said) => said.type === 'tool-result' && said.result.request === asked.request);
    await until('the result of before', offered);
    const again = async (one: RunTool) => `told again (${await toolVerdict(one)})`;
    const told = 'told again (ended 0)';
    await lie('a tool request that was carried out before a restart', told, () => again(asked));
    const now = Date.now();
    await lie('the same with another value and a new time', told, () =>
      again({ ...asked, args: ['twice'], now, notBefore: now, expiresAt: now + 300_000 }),
    );
    const verdicts = logged('tool')
      .filter(({ request }) => request === asked.request)
      .map(({ verdict }) => verdict);
    expect(verdicts).toEqual(['taken', 'known', 'known']);
  });

  test('a tool that was asked for in time, and held back on its way: order_expired', () =>
    lie('a tool that is held back on its way', 'order_expired', async () => {
      const request = `t-${randomBytes(4).toString('hex')}`;
      // Said with the welcome, by both clocks, and good for a moment; that was a while ago.
      const now = Date.now();
      const times = { notBefore: now, expiresAt: now + 1, now, after: 0 };
      await hub.say({ type: 'run-tool', request, device: id, tool: 'hello', args: [], ...times });
      const answer = await until('an answer', () =>
        hub.heard.find((said) => said.type === 'tool-result' && said.result.request === request),
      );
      return answer.type === 'tool-result' ? `${answer.result.problem?.code}` : '';
    }));
});

describe('policies that lie', () => {
  const policyKey = generateMinisignKey();
  const textWith = (key: string) => `${deviceText}policyKey: ${key}\n`;

  function policy(more: Partial<PolicyDocument> = {}, by = policyKey) {
    const document = JSON.stringify({
      ...{ format: POLICY_FORMAT, for: 'all', number: 6, date: new Date().toISOString() },
      expires: new Date(Date.now() + 86_400_000).toISOString(),
      file: textWith(policyKey.publicKey.text).replace('grace: 2s', 'grace: 3s'),
      ...more,
    } satisfies PolicyDocument);
    return { document, signature: by.sign(Buffer.from(document), 'policy') };
  }

  async function policyVerdict(offer: { readonly document: string; readonly signature: string }): Promise<string> {
    const before = hub.heard.length;
    await hub.say({ type: 'policy', ...offer });
    const answer = await until(
      'an answer',
      () => hub.heard.slice(before).find((said) => said.type === 'policy-result'),
      60_000,
    );
    return answer.type === 'policy-result' && !answer.accepted ? (answer.problem?.code ?? '') : 'taken';
  }

  test('one for a device whose file names no policyKey: capability_denied', () =>
    lie('a policy where the file names no policyKey', 'capability_denied', () => policyVerdict(policy())));

  describe('of a device with a policyKey', () => {
    beforeAll(async () => {
      await restartAgent(() => writeFileSync(device.layout.deviceConfig, textWith(policyKey.publicKey.text)));
      // A right one is taken, and the agent begins anew with it.
      const connections = hub.connections();
      expect(
        await policyVerdict(
          policy({ number: 5, file: textWith(policyKey.publicKey.text).replace('grace: 2s', 'grace: 4s') }),
        ),
      ).toBe('taken');
      await until('the agent that began anew', () => hub.connections() > connections, 90_000);
      const from = hub.heard.length;
      await until('its inventory', () => hub.heard.slice(from).some(({ type }) => type === 'inventory'), 60_000);
      expect(readFileSync(device.layout.deviceConfig, 'utf8')).toContain('grace: 4s');
      expect(logged('policy').at(-1)).toMatchObject({ number: 5, verdict: 'taken' });
    }, 240_000);

    test.each<[string, () => ReturnType<typeof policy>]>([
      ['a policy that another key has signed', () => policy({}, generateMinisignKey())],
      [
        'a policy that was changed after it was signed',
        () => ({ ...policy(), document: policy({ number: 7 }).document }),
      ],
      ['a policy with a lower number', () => policy({ number: 4 })],
      ['another policy with the same number', () => policy({ number: 5 })],
      ['a policy for another device', () => policy({ for: ['d-other'] })],
      ['a policy that has expired', () => policy({ expires: new Date(Date.now() - 1_000).toISOString() })],
      [
        'a policy that lets go of an installed app',
        () => policy({ file: `apps: {}\npolicyKey: ${policyKey.publicKey.text}\n` }),
      ],
      ['a policy that names another policyKey', () => policy({ file: textWith(generateMinisignKey().publicKey.text) })],
    ])('%s: policy_refused', async (what, make) => {
      await lie(what, 'policy_refused', () => policyVerdict(make()));
      expect(logged('policy').at(-1)).toMatchObject({ verdict: 'policy_refused' });
    });
  });
});
