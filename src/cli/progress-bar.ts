import type { TextOutput } from "./deps.ts";

const BAR_WIDTH = 24;
/** How often a terminal is redrawn, and how often a log gets a line: one reads along, the other is read later. */
const REDRAW_MS = 100;
const LINE_MS = 2000;

export interface ProgressBar {
  /** `note` stands behind the bar. */
  update(done: number, note?: string): void;
  /** Leaves the last state standing. */
  end(): void;
}

/** A bar on a terminal, now and then a line elsewhere. `total` null: the end is not known, so it only counts. */
export function progressBar(output: TextOutput, label: string, total: number | null): ProgressBar {
  const live = output.isTTY === true;
  let drawnMs = Number.NEGATIVE_INFINITY;
  let drawn = "";
  let latest = "";

  function draw(): void {
    if (latest === drawn) return;
    // Clears what the last, longer text left behind on the line.
    output.write(live ? `\r${latest}\u001b[K` : `${latest}\n`);
    drawn = latest;
    drawnMs = performance.now();
  }

  return {
    update(done, note = "") {
      latest = `${label} ${total === null ? done : share(done, total, live)}${note === "" ? "" : `  ${note}`}`;
      if (live) latest = latest.slice(0, (output.columns ?? 80) - 1);
      if (performance.now() - drawnMs >= (live ? REDRAW_MS : LINE_MS)) draw();
    },
    end() {
      draw();
      if (live && drawn !== "") output.write("\n");
    },
  };
}

function share(done: number, total: number, live: boolean): string {
  const part = total === 0 ? 1 : Math.min(Math.max(done / total, 0), 1);
  const full = Math.round(part * BAR_WIDTH);
  const bar = live ? `${"█".repeat(full)}${"░".repeat(BAR_WIDTH - full)} ` : "";
  return `${bar}${String(Math.floor(part * 100)).padStart(3)} %  ${done}/${total}`;
}
