import { expect, test } from 'vitest';
import { trustInWords } from '../../../src/domain/trust-text.ts';

const KEY = 'RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3';

test('a level in both languages; of a key its beginning', () => {
  const signed = { level: 'signed', by: [KEY] } as const;
  expect(trustInWords(signed, 'en')).toBe('signed by RWQf6LRC…');
  expect(trustInWords(signed, 'zh')).toBe('由 RWQf6LRC… 签名');
  expect(trustInWords({ level: 'signed', by: [KEY, `RWQx${KEY.slice(4)}`] }, 'en')).toBe(
    'signed by RWQf6LRC… or RWQx6LRC…',
  );
  expect(trustInWords({ level: 'signed', by: ['ada@example.org', 'OpenPGP 12AB12AB12AB12AB'] }, 'en')).toBe(
    'signed by ada@example.org or OpenPGP 12AB12AB12AB12AB',
  );
  expect(trustInWords({ level: 'source', by: ['npm'] }, 'en')).toBe('digest from npm');
  expect(trustInWords({ level: 'source', by: ['npm'] }, 'zh')).toBe('摘要取自 npm');
  expect(trustInWords({ level: 'none', by: ['feed'] }, 'en')).toBe('not verified');
  expect(trustInWords({ level: 'none', by: ['feed'] }, 'zh')).toBe('未经验证');
});
