import type { Reach } from '../../devices/work.ts';
import { VERSION } from '../version.ts';

/** What the script is made of. */
export interface ScriptFacts {
  /** `https://HOST:PORT` */
  readonly base: string;
  /** `sha256//BASE64`, as curl takes it; empty where authorities vouch for the hub. */
  readonly pin: string;
  /** The bundle that the script itself names; of others it asks the hub. */
  readonly platform: string;
  readonly sha256: string;
}

/** Where HTTP leads to the same hub as devices dial. */
export function httpOf({ address, certificate }: Reach): Pick<ScriptFacts, 'base' | 'pin'> {
  const base = address.replace(/^ws/, 'http').replace(/\/agent$/, '');
  return { base, pin: certificate === undefined ? '' : certificate.replace('/', '//') };
}

/** For the inside of single quotes. What comes here is an address and base64, and has none. */
function quoted(text: string): string {
  return text.replaceAll("'", "'\\''");
}

/**
 * The script that a device runs: POSIX sh, and curl or wget. Everything is in functions that the last line calls, so that
 * one that was cut off does nothing; each step is done again or is there already, so that the same line goes on.
 */
export function enrolScript({ base, pin, platform, sha256 }: ScriptFacts): string {
  return `#!/bin/sh
# Fettle ${VERSION}: joins this device to the hub at ${base}
# curl ... ${base}/enroll | sudo sh -s -- TOKEN
set -eu
umask 077
HUB='${quoted(base)}'
PIN='${quoted(pin)}'
KNOWN_PLATFORM='${platform}'
KNOWN_SHA256='${sha256}'

say() { printf '%s\\n' "fettle: $*" >&2; }
fail() { say "$*"; exit 2; }

platform() {
  [ "$(uname -s)" = Linux ] || fail "this is $(uname -s), and Fettle runs on Linux"
  if (ldd --version 2>&1 || true) | grep -qi musl; then fail 'this system has musl instead of glibc (Alpine): Fettle does not run on it'; fi
  case "$(uname -m)" in
    x86_64 | amd64) echo linux-x64 ;;
    aarch64 | arm64) echo linux-arm64 ;;
    *) fail "there is no Fettle for $(uname -m): it runs on x86_64 and aarch64" ;;
  esac
}

# PATH-ON-HUB FILE. The token goes into a header, in no address; the pin is checked before anything is sent.
get() {
  if command -v curl >/dev/null 2>&1; then
    if [ -n "$PIN" ]; then set -- "$1" "$2" --insecure --pinnedpubkey "$PIN"; else set -- "$1" "$2"; fi
    path=$1 file=$2
    shift 2
    printf 'header = "x-fettle-token: %s"\\n' "$TOKEN" |
      curl --config - --fail --silent --show-error --connect-timeout 20 --retry 3 --output "$file" "$@" "$HUB$path" || return 1
  elif command -v wget >/dev/null 2>&1; then
    [ -z "$PIN" ] || fail 'the hub has a certificate of its own, which only curl can check here: install curl'
    wget -q -T 60 -O "$2" --header "x-fettle-token: $TOKEN" "$HUB$1" || return 1
  else
    fail 'curl is needed: install it (apt-get install curl)'
  fi
}

sum_of() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1" | cut -d' ' -f1
  elif command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r "$1" | cut -d' ' -f1
  else fail 'sha256sum is needed: install coreutils'
  fi
}

main() {
  TOKEN=\${1:-}
  [ -n "$TOKEN" ] || fail 'no token: paste the whole line that /device enroll gave'
  shift
  platform=$(platform)
  if [ -n "\${FETTLE_HOME:-}" ]; then home=$FETTLE_HOME
  elif [ "$(id -u)" = 0 ]; then home=/var/lib/fettle
  else home=$HOME/.fettle
  fi
  slot=$home/apps/agent/current/.fettle
  if [ -x "$slot/node" ] && [ -e "$slot/fettle" ]; then
    # It has been here before: another hub, another key, or the same line once more.
    printf '%s\\n' "$TOKEN" | "$slot/node" "$slot/fettle" --home "$home" enroll \\
      --hub "$HUB" \${PIN:+--pin "$PIN"} --token-file - "$@"
    exit
  fi
  work=$home/enroll
  mkdir -p "$work" || fail "$home can't be made: run this as root, or set FETTLE_HOME"
  if [ "$platform" = "$KNOWN_PLATFORM" ]; then
    wanted=$KNOWN_SHA256
  else
    say "asking the hub for Fettle on $platform"
    get "/enroll/digest?platform=$platform" "$work/digest" || fail 'the hub did not give it: is the token right, and not too old? Ask for a new line (/device enroll)'
    wanted=$(cat "$work/digest")
  fi
  if [ ! -f "$work/$wanted/whole" ]; then
    say "fetching Fettle ${VERSION} for $platform"
    get "/enroll/bundle?platform=$platform" "$work/bundle.part" || fail 'the hub did not give it: is the token right, and not too old? Ask for a new line (/device enroll)'
    got=$(sum_of "$work/bundle.part")
    if [ "$got" != "$wanted" ]; then
      rm -f "$work/bundle.part"
      fail "what came is not what the hub named (sha256 $got, and not $wanted): nothing was installed; try again"
    fi
    say 'unpacking'
    rm -rf "$work/$wanted"
    mkdir "$work/$wanted"
    tar -xzf "$work/bundle.part" -C "$work/$wanted" || fail "it could not be unpacked: is there room in $home?"
    : >"$work/$wanted/whole"
    rm -f "$work/bundle.part"
  fi
  code=0
  printf '%s\\n' "$TOKEN" | "$work/$wanted/bin/node" "$work/$wanted/package/dist/main.js" --home "$home" enroll \\
    --hub "$HUB" \${PIN:+--pin "$PIN"} --token-file - "$@" || code=$?
  [ "$code" != 0 ] || rm -rf "$work"
  exit "$code"
}

main "$@"
`;
}
