import { Medians, medianOf } from "./medians.ts";
import type { Row } from "./rows.ts";

/** A line of one panel: x is the number of callers. */
interface Line {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly left: number;
  readonly lines: readonly Line[];
}

const WIDTH = 860;
const HEIGHT = 340;
const PLOT = { width: 340, height: 230, top: 56 };

/** Draws the workload "callers": throughput and p99 against the number of callers, as SVG for light and dark pages. */
export function plot(rows: readonly Row[]): string {
  const rate = panelOf(rows, "tasksPerSecond", { title: "Throughput", unit: "tasks/s", left: 70 });
  const p99 = panelOf(rows, "p99", { title: "99th percentile of a call", unit: "ms", left: 500 });
  if (rate.lines.length === 0) throw new Error('There is nothing to draw: measure "callers" first.');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">
<title>Throughput and latency of single task.enqueue calls by number of callers</title>
${STYLE}
${legend(rate.lines.map(({ name }) => name))}
${drawPanel(rate)}
${drawPanel(p99)}
</svg>
`;
}

interface Scheme {
  readonly page: string;
  readonly ink: string;
  readonly faint: string;
  readonly a: string;
  readonly b: string;
}

const LIGHT: Scheme = { page: "#ffffff", ink: "#24292f", faint: "#d8dee4", a: "#0969da", b: "#bc4c00" };
const DARK: Scheme = { page: "#0d1117", ink: "#e6edf3", faint: "#30363d", a: "#58a6ff", b: "#f0883e" };

/** Colours by class and without variables, which some programs that show SVG do not know. */
const colours = ({ page, ink, faint, a, b }: Scheme) => `.page { fill: ${page}; } text { fill: ${ink}; }
  .grid { stroke: ${faint}; } .axis { stroke: ${ink}; }
  .a { stroke: ${a}; } .mark-a { fill: ${a}; } .b { stroke: ${b}; } .mark-b { fill: ${b}; }`;

const STYLE = `<style>
  text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
  .title { font-size: 14px; font-weight: 600; }
  .line { fill: none; stroke-width: 2; } .axis { fill: none; } .b { stroke-dasharray: 6 3; }
  ${colours(LIGHT)}
  @media (prefers-color-scheme: dark) { ${colours(DARK)} }
</style>
<rect class="page" width="${WIDTH}" height="${HEIGHT}" rx="6"/>`;
const CLASSES = ["a", "b"];

function panelOf(rows: readonly Row[], key: string, about: Omit<Panel, "lines">): Panel {
  const lines = new Map<string, { x: number; y: number }[]>();
  for (const each of new Medians(rows).ours("callers")) {
    const [x, y] = [medianOf(each, "callers"), medianOf(each, key)];
    const name = each.how.split(",")[0]!;
    if (x !== null && y !== null) lines.set(name, [...(lines.get(name) ?? []), { x, y }]);
  }
  const sorted = [...lines].map(([name, points]) => ({ name, points: points.toSorted((a, b) => a.x - b.x) }));
  return { ...about, lines: sorted };
}

function drawPanel({ title, unit, left, lines }: Panel): string {
  const points = lines.flatMap((line) => line.points);
  const callers = [...new Set(points.map(({ x }) => x))].toSorted((a, b) => a - b);
  const { ticks, most } = ticksTo(Math.max(...points.map(({ y }) => y)));
  const [low, high] = [Math.log2(callers[0]!), Math.log2(callers.at(-1)!)];
  // By the logarithm, as the callers double from point to point.
  const x = (value: number) => at(left + (high === low ? 0.5 : (Math.log2(value) - low) / (high - low)) * PLOT.width);
  const y = (value: number) => at(PLOT.top + (1 - value / most) * PLOT.height);
  const [right, bottom] = [left + PLOT.width, PLOT.top + PLOT.height];
  return [
    text(left, PLOT.top - 14, title, "title"),
    text(left - 8, PLOT.top - 14, unit, "", "end"),
    ...ticks.flatMap((tick) => [
      `<line class="grid" x1="${left}" x2="${right}" y1="${y(tick)}" y2="${y(tick)}"/>`,
      text(left - 8, y(tick) + 4, tick.toLocaleString("en"), "", "end"),
    ]),
    `<path class="axis" d="M${left} ${PLOT.top}V${bottom}H${right}"/>`,
    ...callers.map((count) => text(x(count), bottom + 18, String(count), "", "middle")),
    text(left + PLOT.width / 2, bottom + 38, "callers, each waiting for its answer", "", "middle"),
    ...lines.flatMap((line, index) => drawLine(line, CLASSES[index % CLASSES.length]!, x, y)),
  ].join("\n");
}

function drawLine(
  { points }: Line,
  name: string,
  x: (value: number) => number,
  y: (value: number) => number,
): string[] {
  const path = points.map((point, index) => `${index === 0 ? "M" : "L"}${x(point.x)} ${y(point.y)}`).join("");
  return [`<path class="line ${name}" d="${path}"/>`, ...points.map((point) => mark(x(point.x), y(point.y), name))];
}

/** Told apart by form as well, for those who do not see the colours. */
function mark(x: number, y: number, name: string): string {
  if (name === "a") return `<circle class="mark-a" cx="${x}" cy="${y}" r="4"/>`;
  return `<rect class="mark-b" x="${at(x - 4)}" y="${at(y - 4)}" width="8" height="8"/>`;
}

function legend(names: readonly string[]): string {
  return names
    .map((name, index) => {
      const left = 70 + index * 120;
      const of = CLASSES[index % CLASSES.length]!;
      return `<path class="line ${of}" d="M${left} 16h30"/>${mark(left + 15, 16, of)}${text(left + 38, 20, name, "")}`;
    })
    .join("\n");
}

function text(x: number, y: number, value: string, name: string, anchor = "start"): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}"${name && ` class="${name}"`}>${value}</text>`;
}

/** Round steps from 0 to a little above the greatest value. */
function ticksTo(greatest: number): { ticks: number[]; most: number } {
  const rough = greatest / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? 10 * power;
  const count = Math.ceil(greatest / step);
  return { ticks: Array.from({ length: count + 1 }, (_, index) => at(index * step)), most: count * step };
}

/** To a hundredth: pixels, and ticks without the dust of binary fractions. */
const at = (value: number) => Math.round(value * 100) / 100;
