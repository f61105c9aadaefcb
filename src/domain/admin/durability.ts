/** Settings under which PostgreSQL may forget a commit that it has acknowledged, or be damaged by a crash. */
const ENDANGERING: Record<string, { bad: readonly string[]; why: string }> = {
  fsync: { bad: ["off"], why: "a crash of the machine can damage the whole database" },
  full_page_writes: { bad: ["off"], why: "a crash of the machine can leave half-written pages" },
  synchronous_commit: { bad: ["off"], why: "a crash of the server can lose what was acknowledged" },
};

export interface Endangering {
  setting: string;
  value: string;
  why: string;
}

/** Which of the server's settings endanger acknowledged work. */
export function endangering(settings: readonly { setting: string; value: string }[]): Endangering[] {
  return settings.flatMap(({ setting, value }) => {
    const known = ENDANGERING[setting];
    return known?.bad.includes(value) ? [{ setting, value, why: known.why }] : [];
  });
}
