import { expect, test } from 'vitest';
import { MESSAGES } from '../../../src/chat/messages/index.ts';

test('why a release is not trusted is said in Chinese too; what is not known stays as it is', () => {
  const said = (reason: string) => MESSAGES.zh.problem('artifact_unverified', { app: 'robot', reason }).text;
  const key =
    'it is signed with key 8266837FB1F8185B, which is not trusted here (trusted: 832BA5407431E343, RWRD4zF0…)';
  expect(said(`the index: ${key}`)).toContain(
    '密钥 8266837FB1F8185B 不受信任；受信任的是：832BA5407431E343, RWRD4zF0…',
  );
  expect(said('its index is not signed')).toContain('（索引没有签名）');
  expect(said('something else')).toContain('（something else）');
});
