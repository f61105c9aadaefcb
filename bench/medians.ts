import { median, type Row } from "./rows.ts";

/** The rows of one case, over all rounds. */
export interface Case {
  readonly workload: string;
  readonly who: string;
  readonly how: string;
  readonly rows: readonly Row[];
}

export interface Found {
  readonly who: string;
  readonly value: number;
}

/** Medians over the rounds of a run. */
export class Medians {
  readonly cases: readonly Case[];

  constructor(rows: readonly Row[]) {
    const cases = new Map<string, Row[]>();
    for (const row of rows.filter(({ error }) => error === undefined)) {
      const key = JSON.stringify([row.workload, row.who, row.how]);
      const known = cases.get(key);
      if (known) known.push(row);
      else cases.set(key, [row]);
    }
    this.cases = [...cases.values()].map((rows) => {
      const { workload, who, how } = rows[0]!;
      return { workload, who, how, rows };
    });
  }

  /** The cases of ours. */
  ours(workload: string): Case[] {
    return this.cases.filter((each) => each.workload === workload && each.who === "openSQS");
  }

  /** Null where it was not measured. A case named by its beginning may have more behind ("capped"). */
  of(workload: string, who: string, how: string, key: string): number | null {
    const found = this.cases.find((each) => each.workload === workload && each.who === who && each.how.startsWith(how));
    return found ? medianOf(found, key) : null;
  }

  /** Of some peers the one with the greatest median. */
  best(workload: string, peers: (who: string) => boolean, key: string): Found | null {
    const found = this.cases
      .filter((each) => each.workload === workload && peers(each.who))
      .map((each) => ({ who: each.who, value: medianOf(each, key) }))
      .filter((each): each is Found => each.value !== null);
    return found.toSorted((a, b) => b.value - a.value)[0] ?? null;
  }
}

export function valuesOf({ rows }: Case, key: string): number[] {
  return rows.map(({ figures }) => figures[key] ?? null).filter((value): value is number => value !== null);
}

export function medianOf(each: Case, key: string): number | null {
  const values = valuesOf(each, key);
  return values.length === 0 ? null : median(values);
}
