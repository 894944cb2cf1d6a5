/** `2026-11-21 15:30 UTC`, as logs have it. @param at milliseconds since 1970 */
export function sinceText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
