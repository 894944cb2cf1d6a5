import type { Language } from './reply.ts';
import { PUBLIC_KEY, type TrustLevel } from './trust.ts';

/** How far an app's releases are trusted on a device, as its agent tells it. */
export interface Trusted {
  readonly level: TrustLevel;
  /** `signed`: the keys that count, `RW…`, or whom a device calls by name (of commits). Else the kind of source. */
  readonly by: readonly string[];
}

/** Of a key: enough to tell it from another. */
const KEY_SHOWN = 8;

/** `signed by RWQf6LRC…`, `digest from npm`, `not verified`: for cards. */
export function trustInWords({ level, by }: Trusted, language: Language): string {
  const zh = language === 'zh';
  switch (level) {
    case 'signed': {
      const keys = by
        .map((key) => (PUBLIC_KEY.test(key) ? `${key.slice(0, KEY_SHOWN)}…` : key))
        .join(zh ? ' 或 ' : ' or ');
      return zh ? `由 ${keys} 签名` : `signed by ${keys}`;
    }
    case 'source':
      return zh ? `摘要取自 ${by.join('、')}` : `digest from ${by.join(', ')}`;
    case 'none':
      return zh ? '未经验证' : 'not verified';
  }
}
