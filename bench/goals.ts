import { type Case, type Medians, medianOf } from "./medians.ts";
import { round } from "./rows.ts";
import { onPostgres } from "./workloads/workload.ts";

/** One line of the table that says where we stand. */
export interface Standing {
  readonly what: string;
  readonly value: number;
  readonly unit: "×" | "ms" | "MB" | "/s" | "%";
  /** Empty: nothing is asked, the figure is for the reader. */
  readonly goal: string;
  readonly met: boolean | null;
}

const named = (name: string) => (who: string) => who === name;
const REDIS = "bullmq:everysec";

/** What is asked of each workload, as far as it was measured. Ratios are of medians. */
export function standings(medians: Medians): Standing[] {
  const lines = [W1, W2, W3, W3raw, W3s, W4, W5, W6, W7, W8, W9, catalogue, graphs, schedules].flatMap((lines) =>
    lines(medians),
  );
  return lines.filter((line): line is Standing => line !== null);
}

type Lines = (medians: Medians) => (Standing | null)[];

const W1: Lines = (medians) =>
  medians
    .ours("W1")
    .flatMap((ours) => [
      against(medians, ours, "best on PostgreSQL", onPostgres, 5),
      against(medians, ours, "graphile-worker", named("graphile-worker"), null),
      against(medians, ours, "BullMQ/Redis everysec", named(REDIS), 1),
      least(ours, "tasksPerSecond", "/s", 18_000, "prototype"),
      most(ours, "p50", "ms", 4),
      shareOf(medians, ours, "INSERT of one row"),
      shareOf(medians, ours, `echo over ${ours.how}`),
    ]);

const W2: Lines = (medians) =>
  medians
    .ours("W2")
    .flatMap((ours) => [
      against(medians, ours, "graphile-worker", named("graphile-worker"), 1.3),
      against(medians, ours, "pgmq", named("pgmq"), null),
      against(medians, ours, "BullMQ/Redis everysec", named(REDIS), null),
      least(ours, "tasksPerSecond", "/s", 74_000, "prototype"),
      shareOf(medians, ours, "INSERT of 1,000 rows"),
    ]);

const W3: Lines = (medians) =>
  medians
    .ours("W3")
    .flatMap((ours) => [
      against(medians, ours, "graphile-worker", named("graphile-worker"), 1.3),
      against(medians, ours, "pgmq", named("pgmq"), null),
      against(medians, ours, "BullMQ/Redis everysec", named(REDIS), null),
      least(ours, "tasksPerSecond", "/s", 37_000, "prototype"),
    ]);

const W3raw: Lines = (medians) => {
  const graphile = medians.best("W3", named("graphile-worker"), "tasksPerSecond");
  return medians
    .ours("W3raw")
    .flatMap((ours) => [
      graphile && ratio(`${label(ours)} ÷ W3 of graphile-worker`, rateOf(ours), graphile.value, null),
      least(ours, "tasksPerSecond", "/s", 37_000, "prototype"),
    ]);
};

const W3s: Lines = (medians) =>
  medians
    .ours("W3s")
    .flatMap((ours) => [
      against(medians, ours, "best that does not batch", onPostgres, 4),
      least(ours, "tasksPerSecond", "/s", 7_000, "prototype"),
    ]);

const W4: Lines = (medians) =>
  medians.ours("W4").flatMap((ours) => [most(ours, "p50", "ms", 1.5), most(ours, "p99", "ms", 5)]);

const W5: Lines = (medians) =>
  medians
    .ours("W5")
    .filter(({ how }) => !how.startsWith("0 "))
    .map((ours) => least(ours, "ratio", "×", 0.95));

const W6: Lines = (medians) =>
  medians.ours("W6").flatMap((ours) => {
    if (ours.how === "control") return [least(ours, "ratio", "×", null)];
    const undisturbed = medians.of("W6", "openSQS", "control", "last");
    return [
      least(ours, "ratio", "×", 0.9),
      undisturbed === null
        ? null
        : ratio(`${label(ours)}, last 10 s ÷ control's`, medianOf(ours, "last"), undisturbed, 0.9),
    ];
  });

const W7: Lines = (medians) =>
  medians
    .ours("W7")
    .flatMap((ours) => [
      against(medians, ours, "graphile-worker", named("graphile-worker"), 1),
      against(medians, ours, "pgmq", named("pgmq"), null),
    ]);

const W8: Lines = (medians) =>
  medians.ours("W8").flatMap((ours) => {
    if (ours.how === "pickup across") return [most(ours, "p50", "ms", 30), most(ours, "p99", "ms", null)];
    if (ours.how.startsWith("pickup")) return [most(ours, "p50", "ms", null), most(ours, "max", "ms", 1200)];
    const one = ours.how.replace("2 replicas", "1 replica");
    const alone = medians.of("W8", "openSQS", one, "tasksPerSecond");
    return one !== ours.how && alone !== null ? [ratio(`${label(ours)} ÷ 1 replica`, rateOf(ours), alone, 1)] : [];
  });

/** How much memory may grow after the first minute and still be called flat. */
const FLAT = 1.1;

const W9: Lines = (medians) =>
  medians.ours("W9").flatMap((ours) => {
    const [minute, end] = [medianOf(ours, "minuteMb"), medianOf(ours, "endMb")];
    const grown = minute === null || end === null ? null : round(end / minute, 2);
    return [
      most(ours, "endMb", "MB", 250),
      most(ours, "maxMb", "MB", 250),
      grown === null
        ? null
        : {
            what: `${label(ours)}, end ÷ first minute`,
            value: grown,
            unit: "×",
            goal: `≤ ${FLAT}`,
            met: grown <= FLAT,
          },
    ];
  });

/** Goal for each list among a hundred times as many tasks. */
const catalogue: Lines = (medians) => medians.ours("catalogue").map((ours) => most(ours, "ratio", "×", 3));

/** Goals for a workflow beside as many plain tasks: worked off, and made and worked off. */
const graphs: Lines = (medians) =>
  medians
    .ours("graphs")
    .filter(({ how }) => !how.endsWith(", plain"))
    .flatMap((ours) => [least(ours, "ratio", "×", 0.7), least(ours, "wholeRatio", "×", 0.7)]);

/** Goal for the last task of schedules that were due at one moment. */
const schedules: Lines = (medians) => medians.ours("schedules").map((ours) => most(ours, "max", "ms", 2000));

const label = ({ workload, how }: Case) => `${workload} ${how}`;
const rateOf = (ours: Case) => medianOf(ours, "tasksPerSecond");

function against(
  medians: Medians,
  ours: Case,
  name: string,
  peers: (who: string) => boolean,
  goal: number | null,
): Standing | null {
  const best = medians.best(ours.workload, peers, "tasksPerSecond");
  if (best === null) return null;
  const who = name.startsWith("best") ? `${name} (${best.who})` : name;
  return ratio(`${label(ours)} ÷ ${who}`, rateOf(ours), best.value, goal);
}

function ratio(what: string, ours: number | null, theirs: number, goal: number | null): Standing | null {
  if (ours === null || theirs <= 0) return null;
  // Compared as it is printed: 1.00 must not fail a goal of 1.
  const value = round(ours / theirs, 2);
  return { what, value, unit: "×", goal: goal === null ? "" : `≥ ${goal}`, met: goal === null ? null : value >= goal };
}

function shareOf(medians: Medians, ours: Case, limit: string): Standing | null {
  const [rate, most] = [rateOf(ours), medians.of("limits", "limit", limit, "tasksPerSecond")];
  if (rate === null || !most) return null;
  return {
    what: `${label(ours)}, share of ${limit}`,
    value: round((rate / most) * 100, 0),
    unit: "%",
    goal: "",
    met: null,
  };
}

function least(ours: Case, key: string, unit: Standing["unit"], goal: number | null, why = ""): Standing | null {
  return bound(
    ours,
    key,
    unit,
    goal,
    (value, bound) => value >= bound,
    `≥ ${goal?.toLocaleString("en")}${why && ` (${why})`}`,
  );
}

function most(ours: Case, key: string, unit: Standing["unit"], goal: number | null): Standing | null {
  return bound(ours, key, unit, goal, (value, bound) => value <= bound, `≤ ${goal?.toLocaleString("en")}`);
}

function bound(
  ours: Case,
  key: string,
  unit: Standing["unit"],
  goal: number | null,
  reaches: (value: number, goal: number) => boolean,
  text: string,
): Standing | null {
  const measured = medianOf(ours, key);
  if (measured === null) return null;
  const value = round(measured, 2);
  const what = `${label(ours)}, ${NAMES[key] ?? key}`;
  return goal === null
    ? { what, value, unit, goal: "", met: null }
    : { what, value, unit, goal: text, met: reaches(value, goal) };
}

const NAMES: Readonly<Record<string, string>> = {
  tasksPerSecond: "tasks",
  endMb: "memory at the end",
  maxMb: "most memory",
  wholeRatio: "ratio with the making of it",
};
