import type { HomeLayout } from '../../config/home.ts';

/**
 * How keeper, agent and hub are started, because they are there for long and mostly wait: a small young generation, one
 * arena of the allocator, freed memory given back, no code of the quick compiler (a megabyte of the hub, and nobody waits
 * for what it would win). `--optimize-for-size` and `--single-threaded` would save a little more, and cost an update's
 * outage 10 to 20 % (both seen with `npm run bench`).
 */
export const SMALL_NODE = {
  flags: ['--max-semi-space-size=1', '--no-sparkplug'],
  env: {
    MALLOC_ARENA_MAX: '1',
    MALLOC_TRIM_THRESHOLD_: '65536',
    MALLOC_MMAP_THRESHOLD_: '65536',
    MALLOC_TOP_PAD_: '16384',
  },
} as const;

/**
 * The text of `HOME/keeper/start`, to be written once by `fettle up` (mode 0700) and never updated, so that it is the
 * one thing that a bad update can't break. POSIX sh, but for `mv -T` (GNU, busybox).
 *
 * It runs the keeper with its own arguments (`--parent-pipe`; descriptor 3 is inherited) and starts it again:
 * exit 0 → 0 · 2 (home in use, bad configuration) → 2 · 75 (its own update) → at once · else → after a second.
 * It counts starts in `keeper/starts`, which a keeper that serves removes; the fourth goes to `keeper/last-good`.
 */
export function startStub(layout: HomeLayout): string {
  return `#!/bin/sh
# Written by Fettle, and never updated: it starts the keeper, and goes back to the last good one.
HOME_DIR=${quote(layout.home)}
K=$HOME_DIR/keeper
# Started by the agent, it must not pass for one of the agent's processes: only an exec takes the mark off.
if [ -n "$FETTLE_START" ]; then unset FETTLE_START FETTLE_APP; exec /bin/sh "$0" "$@"; fi
cd "$HOME_DIR" || exit 2
keeper= ending= told=
unset FETTLE_KEEPER_END
${Object.entries(SMALL_NODE.env)
  .map(([name, value]) => `export ${name}=${value}`)
  .join('\n')}
tell() { told=1; [ -z "$keeper" ] || kill -TERM "$keeper" 2>/dev/null; }
trap 'ending=1; tell' TERM INT
trap : HUP

count() { { echo "$1" >"$K/starts.new" && mv -f "$K/starts.new" "$K/starts"; } 2>/dev/null; }

while :; do
  n=0
  if [ -r "$K/starts" ]; then read -r n <"$K/starts" || :; fi
  case $n in '' | *[!0-9]* | ???????*) n=0 ;; esac
  n=$((n + 1))
  if [ "$n" -gt 3 ] && [ -e "$K/last-good" ]; then
    good=$(readlink "$K/last-good")
    if [ "$good" != "$(readlink "$K/current")" ]; then
      if ln -sfn "$good" "$K/current.new" && mv -T "$K/current.new" "$K/current"; then
        echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) start: three starts of the keeper failed: going back to $good" >&2
      fi
    fi
    n=1
  fi
  count "$n"
  # Told to end before a keeper could be: one that stops what runs, and ends.
  [ -z "$ending" ] || export FETTLE_KEEPER_END=1
  "$K/current/.fettle/node" ${SMALL_NODE.flags.join(' ')} "$K/current/.fettle/fettle" keeper --home "$HOME_DIR" "$@" &
  keeper=$!
  [ -z "$ending" ] || [ -n "$FETTLE_KEEPER_END" ] || tell
  while :; do
    told=
    wait "$keeper"
    code=$?
    # A trapped signal ends the wait, not the keeper.
    [ -n "$told" ] || [ "$code" -gt 128 ] || break
    kill -0 "$keeper" 2>/dev/null || break
  done
  keeper=
  case $code in
    0) exit 0 ;;
    2) count "$((n - 1))"; exit 2 ;;
  esac
  [ -z "$FETTLE_KEEPER_END" ] || exit "$code"
  if [ -n "$ending" ] || [ "$code" -eq 75 ]; then continue; fi
  sleep 1 &
  wait "$!"
done
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
