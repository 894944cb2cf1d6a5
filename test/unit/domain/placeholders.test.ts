import { expect, test } from 'vitest';
import { usageIn } from '../../../src/domain/placeholders.ts';

test.each([
  ['/admin role PERSON viewer|operator|admin', '/admin role 人员 viewer|operator|admin'],
  ['/update now [app][@version] [--dry-run]', '/update now [应用][@版本] [--dry-run]'],
  ['/update auto [on|minor|off] [app]', '/update auto [on|minor|off] [应用]'],
  ['/update cancel [update]', '/update cancel [更新号]'],
  ['/update restore [app/]N', '/update restore [应用/]N'],
  ['/settings [KEY [VALUE]]', '/settings [设置项 [值]]'],
])('%s', (english, chinese) => {
  expect(usageIn('zh', english)).toBe(chinese);
  expect(usageIn('en', english)).toBe(english);
});
