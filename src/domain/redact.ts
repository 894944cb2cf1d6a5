/**
 * Takes secrets out of text before people or logs see it: values that are known, and shapes that tokens have.
 * Pure, and linear in the text. Errs towards hiding: a hidden word costs a glance, a shown token an account.
 */

/** What stands in a secret's place. */
export const HIDDEN = '[hidden]';

export interface RedactOptions {
  /** Values that must never be shown (Fettle's own and the apps'), whatever they look like. Shorter than 4: ignored. */
  readonly secrets?: readonly string[] | undefined;
  /** Home folders, shown as `~`. Those under /home, /Users and /root are always. */
  readonly homes?: readonly string[] | undefined;
}

/** Repeating it changes nothing more. */
export type Redact = (text: string) => string;

/** Whole matches that are tokens by their shape. */
const SHAPES: readonly RegExp[] = [
  // JSON Web Token, whole or cut
  /\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g,
  // GitHub, GitLab, npm, Slack, Stripe, OpenAI-like, Google, Hugging Face
  /\bgh[oprsu]_[A-Za-z0-9]{20,}/g,
  /\bgithub_pat_\w{20,}/g,
  /\bglpat-[\w-]{16,}/g,
  /\bnpm_[A-Za-z0-9]{30,}/g,
  /\bxox[abeoprs]-[\w-]{10,}/g,
  /\b[rsp]k_(?:live|test)_\w{16,}/g,
  /\bsk-[\w-]{20,}/g,
  /\bAIza[\w-]{30,}/g,
  /\bhf_[A-Za-z0-9]{30,}/g,
  // AWS access key ids
  /\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b/g,
  // Telegram: bot id, colon, 35 characters (also inside /bot…/ addresses)
  /(?<![\w-])(?:bot)?\d{6,12}:[\w-]{34,36}(?![\w-])/g,
  // Discord: user id in base64, time, signature; and multi-factor tokens
  /(?<![\w-])[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,64}(?![\w-])/g,
  /\bmfa\.[\w-]{20,}/g,
  // Feishu: tenant, user and app access tokens
  /(?<![\w-])[tua]-[A-Za-z0-9._-]{20,}/g,
];

/** `name=value` and `"name": "value"` where the name says that the value is a secret. Keeps the name. */
const NAMED =
  /((?:passwor[dt]|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|encrypt[_-]?key|credentials?|_auth|cookie)[\w-]{0,40}["']?\s{0,3}[:=]\s{0,3})("[^"\n]{1,2000}"|'[^'\n]{1,2000}'|[^\s"',;&)}\]]{2,})/gi;

const HEADER =
  /\b((?:proxy-)?authorization["']?\s{0,3}[:=]\s{0,3}["']?)(?:(?:bearer|basic|token|digest)\s+)?[^\s"',]{4,}/gi;
const BEARER = /\b(bearer\s+)[\w.~+/-]{8,}=*/gi;
const BASIC = /\b(basic\s+)[A-Za-z0-9+/]{10,}={1,2}/gi;
/** `scheme://user:password@` and `scheme://token@`. */
const USERINFO = /\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/?#@"'<>]{1,2000}@/gi;
/** Addresses whose path is a password: Discord, Slack and Feishu webhooks. */
const WEBHOOK = /(\/(?:api\/webhooks\/\d+|services\/T\w+\/B\w+|open-apis\/bot\/v2\/hook)\/)[\w-]{8,}/g;
const QUERY = /(\bhttps?:\/\/[^\s?#"'<>]{1,2000})\?([^\s#"'<>]+)/gi;
const SIGNED =
  /(?:^|&)(?:x-(?:amz|goog|oss|cos)-[\w-]+|[\w.-]*(?:sig|signature|sign|token|secret|key|keyid|password|passwd|auth|credential|code|ticket|session)|expires|se|sp|sv|q-[\w-]+)=/i;

const HOMES = /(?<![\w.~-])\/(?:home|Users)\/[\w.@+-]+|(?<![\w.~/-])\/root(?=\/|\b(?![\w.-]))/g;

/** Makes the function that hides {@link RedactOptions.secrets} and everything that has a token's shape. */
export function createRedactor(options: RedactOptions = {}): Redact {
  const values = spellings(options.secrets ?? []);
  const homes = [...(options.homes ?? [])].filter((home) => home.length > 1).sort((a, b) => b.length - a.length);
  return (text) => {
    let result = text;
    for (const value of values) result = result.replaceAll(value, HIDDEN);
    result = withoutPem(result)
      .replace(USERINFO, `$1${HIDDEN}@`)
      .replace(QUERY, (whole, address: string, query: string) => (SIGNED.test(query) ? `${address}?${HIDDEN}` : whole))
      .replace(WEBHOOK, `$1${HIDDEN}`)
      .replace(HEADER, `$1${HIDDEN}`)
      .replace(BEARER, `$1${HIDDEN}`)
      .replace(BASIC, `$1${HIDDEN}`);
    for (const shape of SHAPES) result = result.replace(shape, HIDDEN);
    result = result.replace(NAMED, (whole, name: string, value: string) => {
      if (value.includes(HIDDEN) || value === 'hidden' || value.startsWith('[hidden')) return whole;
      const quote = value.startsWith('"') || value.startsWith("'") ? value[0] : '';
      return `${name}${quote}${HIDDEN}${quote}`;
    });
    for (const home of homes) result = withHome(result, home);
    return result.replace(HOMES, '~');
  };
}

/** A secret as it may stand in logs: as it is, in an address, in JSON, in base64; longest first. */
function spellings(secrets: readonly string[]): string[] {
  const all = new Set<string>();
  for (const secret of secrets) {
    for (const value of [secret, secret.trim()]) {
      if (value.length < 4) continue;
      const base64 = Buffer.from(value).toString('base64');
      for (const spelling of [value, JSON.stringify(value).slice(1, -1), base64, base64.replace(/=+$/, '')]) {
        all.add(spelling);
      }
      try {
        all.add(encodeURIComponent(value));
      } catch {
        // A lone surrogate has no spelling in an address.
      }
    }
  }
  return [...all].sort((a, b) => b.length - a.length);
}

/** Of a PEM block: base64 alone or behind a log's prefix, its headers, an empty line. */
const KEY_LINE =
  /^\s*[A-Za-z0-9+/=]*\s*$|\s[A-Za-z0-9+/=]{20,}["',\\]*\s*$|^\s*(?:Proc-Type|DEK-Info|Version|Comment):/;

/** PEM blocks, also when the text begins or ends inside one. */
function withoutPem(text: string): string {
  if (!text.includes('-----')) return text;
  const kept: string[] = [];
  let inside = false;
  for (const line of text.split('\n')) {
    if (/-----BEGIN [A-Z0-9 ]+-----/.test(line)) {
      const closes = /-----END [A-Z0-9 ]+-----/.test(line);
      kept.push(`${line.slice(0, line.indexOf('-----BEGIN '))}${HIDDEN}`);
      inside = !closes;
    } else if (/-----END [A-Z0-9 ]+-----/.test(line)) {
      if (!inside) {
        while (kept.length > 0 && /^\s*[A-Za-z0-9+/=]{4,}\s*$/.test(kept.at(-1) ?? '')) kept.pop();
        kept.push(HIDDEN);
      }
      inside = false;
    } else if (inside && !KEY_LINE.test(line)) {
      // Not a line of a key: the block was cut, and the log goes on.
      inside = false;
      kept.push(line);
    } else if (!inside) {
      kept.push(line);
    }
  }
  return kept.join('\n');
}

function withHome(text: string, home: string): string {
  let result = '';
  let from = 0;
  for (let at = text.indexOf(home); at !== -1; at = text.indexOf(home, from)) {
    const after = text[at + home.length];
    const whole = after === undefined || !/[\w.-]/.test(after);
    result += text.slice(from, at) + (whole ? '~' : home);
    from = at + home.length;
  }
  return result + text.slice(from);
}

/** Values of an app's environment that are secrets by their names. Short ones are left: hiding `1` would hide everything. */
export function secretValues(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env)
    .filter(([name, value]) => isSecretName(name) && value.length >= 6)
    .map(([, value]) => value);
}

/** Does a variable's name say that its value is a secret? */
export function isSecretName(name: string): boolean {
  return /token|secret|key|passw|credential|auth/i.test(name);
}
