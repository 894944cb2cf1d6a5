/**
 * Where an agent is killed: `STATE:entered` right after a state is on disk, `STATE:worked` when its work is done and the
 * next one is not. All of them with `npm run crash`; the suite takes each state once, the two kinds by turns.
 */
export function crashPoints(...states: string[]): string[] {
  const all = process.env.FETTLE_CRASH === 'all';
  const points = (state: string) => [`${state}:entered`, `${state}:worked`] as const;
  return states.flatMap((state, place) => (all ? points(state) : [points(state)[place % 2] as string]));
}
