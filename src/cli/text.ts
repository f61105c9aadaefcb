/** Text for people: tables within a terminal's width, and no control sequences out of other people's tasks. */

/**
 * Names, payloads and messages come from whoever enqueued. Control characters could drive the terminal, and the
 * bidirectional ones show a text in another order than it has.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, "?");
}

/** As `printable`, for what has lines on purpose. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/** Cut to so many characters, with an ellipsis where something is missing. */
export function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(width - 1, 0)).join("")}…`;
}

export interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** May be cut down to this many characters where the table is too wide. Without it the column keeps its width. */
  readonly least?: number;
  /** Left out where cutting alone does not make the table fit. */
  readonly spare?: boolean;
}

const GAP = "  ";

/** What stands below a list that goes on. */
export const MORE = "\nThere are more; see --limit.\n";

/** Rows under their titles, the columns that may shrink cut so that a line fits `width`. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], width = 80): string {
  const cells = rows.map((row) => row.map(printable));
  const widths = columns.map(({ title }, at) =>
    cells.reduce((widest, row) => Math.max(widest, [...(row[at] ?? "")].length), title.length),
  );
  shrink(columns, widths, width - GAP.length * (columns.length - 1));
  const spare = columns.findIndex((column) => column.spare);
  if (spare >= 0 && widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length) > width) {
    const rest = rows.map((row) => row.toSpliced(spare, 1));
    return table(columns.toSpliced(spare, 1), rest, width);
  }
  const line = (row: readonly string[]) =>
    columns
      .map(({ right }, at) => {
        const text = cut(row[at] ?? "", widths[at]!);
        const padding = " ".repeat(Math.max(widths[at]! - [...text].length, 0));
        return right ? padding + text : text + padding;
      })
      .join(GAP)
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...cells.map(line)].map((text) => `${text}\n`).join("");
}

/** Takes from the widest column that may still give, so that the narrow ones stay whole for longest. */
function shrink(columns: readonly Column[], widths: number[], most: number): void {
  for (let over = widths.reduce((sum, each) => sum + each, 0) - most; over > 0; over--) {
    let widest = -1;
    for (const [at, { least, title }] of columns.entries()) {
      const floor = least === undefined ? Number.POSITIVE_INFINITY : Math.max(least, title.length);
      if (widths[at]! > floor && (widest < 0 || widths[at]! > widths[widest]!)) widest = at;
    }
    if (widest < 0) return;
    widths[widest]! -= 1;
  }
}

/** A name and its value. */
export type Field = readonly [name: string, value: string];

/** Names before their values; what a line cannot hold stands below it, under the value's beginning. */
export function fields(pairs: readonly Field[], width = 80): string {
  const indent = Math.max(...pairs.map(([name]) => name.length)) + GAP.length;
  return pairs
    .flatMap(([name, value]) =>
      wrapped(value, Math.max(width - indent, 20)).map((line, at) => (at === 0 ? name : "").padEnd(indent) + line),
    )
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

/** Lines of at most `width` characters, broken between words where words are short. The text's own line feeds stay. */
function wrapped(text: string, width: number): string[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const characters = [...printable(line)];
    const lines: string[] = [];
    let from = 0;
    while (characters.length - from > width) {
      const space = characters.slice(from, from + width + 1).lastIndexOf(" ");
      const broken = space > width / 2;
      const to = from + (broken ? space : width);
      lines.push(characters.slice(from, to).join(""));
      from = broken ? to + 1 : to;
    }
    return [...lines, characters.slice(from).join("")];
  });
}

/** A count in at most five characters: 950, 12.3k, 4.5M. */
export function shortCount(count: number): string {
  if (count < 10_000) return String(Math.round(count * 10) / 10);
  for (const [unit, size] of [
    ["k", 1e3],
    ["M", 1e6],
    ["G", 1e9],
  ] as const) {
    if (count < size * 999.5) return `${(count / size).toFixed(count < size * 99.95 ? 1 : 0)}${unit}`;
  }
  return `${(count / 1e12).toFixed(1)}T`;
}

/** Seconds as people say them: 4 s, 3 min, 7 h, 2 d. */
export function shortSeconds(seconds: number | null): string {
  if (seconds === null) return "-";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** 2026-01-31 12:00, in UTC as the service tells it. */
export function shortTime(time: string | null): string {
  return time === null ? "-" : time.slice(0, 16).replace("T", " ");
}

/** 2026-01-31 12:00:05, in UTC as the service tells it. */
export function exactTime(time: string): string {
  return time.slice(0, 19).replace("T", " ");
}
