/** What the bench makes of its measurements: medians, ratios, tables, the plot, and what a smoke run calls wrong. */
import { expect, test } from "bun:test";
import { standings } from "../../bench/goals.ts";
import { Medians } from "../../bench/medians.ts";
import { rowsOf } from "../../bench/peer-rows.ts";
import { plot } from "../../bench/plot.ts";
import { renderReport } from "../../bench/report.ts";
import { type Figures, median, quantiles, type Row, readReport, writeReport } from "../../bench/rows.ts";
import { problemsOf } from "../../bench/smoke.ts";

function row(workload: string, who: string, how: string, figures: Figures, round = 1): Row {
  return { at: "2026-11-21T12:00:00.000Z", workload, who, how, round, load: 0, figures };
}

const rate = (workload: string, who: string, tasksPerSecond: number, how = "", round = 1) =>
  row(workload, who, how, { tasksPerSecond }, round);

const W1 = [
  rate("W1", "openSQS", 20_000, "HTTP", 1),
  rate("W1", "openSQS", 30_000, "HTTP", 2),
  rate("W1", "openSQS", 22_000, "HTTP", 3),
  rate("W1", "pgmq", 4_000),
  rate("W1", "pg-boss", 2_000),
  rate("W1", "bullmq:everysec", 21_999),
  rate("limits", "limit", 44_000, "INSERT of one row, 64 connections"),
];

test("medians and quantiles", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(quantiles(Array.from({ length: 200 }, (_, at) => 200 - at))).toEqual({ p50: 101, p99: 199, max: 200 });
  expect(quantiles([])).toEqual({ p50: 0, p99: 0, max: 0 });
});

test("ratios are of medians, to the best peer on PostgreSQL and not to Redis, and are judged as they are printed", () => {
  const all = standings(new Medians(W1));
  expect(all.map(({ what, value, met }) => [what, value, met])).toEqual([
    ["W1 HTTP ÷ best on PostgreSQL (pgmq)", 5.5, true],
    ["W1 HTTP ÷ BullMQ/Redis everysec", 1, true],
    ["W1 HTTP, tasks", 22_000, true],
    ["W1 HTTP, share of INSERT of one row", 50, null],
  ]);
});

test("a goal that is missed says no; what was not measured says nothing", () => {
  const all = standings(new Medians([rate("W3", "openSQS", 10_000, "Worker"), rate("W3", "graphile-worker", 20_000)]));
  expect(all.filter(({ what }) => what.includes("÷"))).toEqual([
    { what: "W3 Worker ÷ graphile-worker", value: 0.5, unit: "×", goal: "≥ 1.3", met: false },
  ]);
});

test("two replicas are compared with one of the same kind", () => {
  const rows = [
    rate("W8", "openSQS", 100, "W3, 1 replica"),
    rate("W8", "openSQS", 90, "W3, 2 replicas"),
    row("W8", "openSQS", "pickup across, NOTIFY blocked", { p50: 500, max: 1300 }),
  ];
  expect(standings(new Medians(rows)).map(({ what, value, met }) => [what, value, met])).toEqual([
    ["W8 W3, 2 replicas ÷ 1 replica", 0.9, false],
    ["W8 pickup across, NOTIFY blocked, p50", 500, null],
    ["W8 pickup across, NOTIFY blocked, max", 1300, false],
  ]);
});

test("tables carry the spread, and the report reads the same after it was saved", () => {
  const report = {
    format: 1 as const,
    at: "2026-11-21T12:00:00.000Z",
    machine: { cores: "2", pgmq: "pgmq 1.0" },
    options: { rounds: 3 },
    skipped: ["bullmq: there is no Redis"],
    rows: [...W1, { ...row("W2", "pg-boss", "", {}), error: "it fell over\nat some place" }],
  };
  const text = renderReport(report);
  expect(text).toContain("| openSQS | HTTP | 22,000 (20,000–30,000) |");
  expect(text).toContain("cores 2; pgmq 1.0.\nLeft out: bullmq: there is no Redis.");
  expect(text).toContain("- W2 pg-boss round 1 failed: it fell over\n".trimEnd());
  expect(text).not.toContain("### W2");
  expect(renderReport(readReport(writeReport(report)))).toBe(text);
  expect(() => readReport("{}")).toThrow("not a report");
});

test("lines of bench-peers become rows", () => {
  const about = { workload: "W3s", who: "pgmq", round: 2 };
  const rows = rowsOf(
    [
      { peer: "pgmq:plain", workload: "about", version: "pgmq 1" },
      {
        at: "t",
        workload: "W3",
        load: 1,
        jobsPerSecond: 10,
        clientCpuPer1000: 0.5,
        serverCpuPer1000: null,
        capped: true,
      },
      { at: "t", workload: "W5", load: 1, depth: 100_000, jobsPerSecond: 9, ratioToFirst: 0.9, repeats: [9, 8, 10] },
      { at: "t", workload: "W4", load: 1, p50ms: 3, sent: 200, received: 199 },
      { at: "t", workload: "W6", load: 1, error: "gone" },
    ],
    about,
  );
  expect(rows).toEqual([
    { at: "t", ...about, how: "capped", load: 1, figures: { tasksPerSecond: 10, callersCpu: 0.5, databaseCpu: null } },
    {
      at: "t",
      ...about,
      how: "100,000 waiting",
      load: 1,
      figures: { tasksPerSecond: 9, ratio: 0.9 },
      series: [9, 8, 10],
    },
    { at: "t", ...about, how: "", load: 1, figures: { p50: 3, lost: 1 } },
    { at: "t", ...about, how: "", load: 1, figures: {}, error: "gone" },
  ]);
});

test("a smoke run is wrong when something failed, is missing, moved nothing or lost a task", () => {
  const good = [row("W1", "openSQS", "HTTP", { tasksPerSecond: 5, otherCores: 0, lost: 0 })];
  expect(problemsOf(good, ["W1"])).toEqual([]);
  expect(problemsOf(good, ["W1", "W2"])).toEqual(["W2 gave no figures."]);
  const wrong = (figures: Figures) => problemsOf([row("W1", "openSQS", "HTTP", figures)], ["W1"]);
  expect(wrong({ tasksPerSecond: 5, lost: 1 })).toEqual(["W1 HTTP: lost is 1, and must be 0."]);
  expect(wrong({ tasksPerSecond: 5, lost: -1 })).toHaveLength(1);
  expect(wrong({ tasksPerSecond: 0 })).toEqual(["W1 HTTP: tasksPerSecond is 0."]);
  expect(wrong({ p99: Number.NaN })).toEqual(["W1 HTTP: p99 is missing."]);
  expect(problemsOf([{ ...good[0]!, error: "it fell over" }], [])).toEqual(["W1 HTTP: it fell over"]);
});

test("the plot places each measurement, by the logarithm of the callers", () => {
  const at = (how: string, callers: number, tasksPerSecond: number) =>
    row("callers", "openSQS", `${how}, ${callers}`, { callers, tasksPerSecond, p99: callers });
  const svg = plot([at("HTTP", 4, 500), at("HTTP", 1, 100), at("HTTP", 2, 1000), at("WebSocket", 1, 400)]);
  // 340 wide from 70 on, 230 high from 56 on; from 0 to 1,000 tasks/s.
  expect(svg).toContain('d="M70 263L240 56L410 171"');
  expect(svg).toContain('<rect class="mark-b" x="66" y="190" width="8" height="8"/>');
  expect(svg).toContain(">1,000<");
  expect(() => plot([])).toThrow("nothing to draw");
});
