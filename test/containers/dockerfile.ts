/** Of Dockerfile syntax what ours uses; anything else is refused, so that no line is passed over unseen. */

export interface Instruction {
  readonly name: string;
  /** `--from=build` as { from: "build" }. */
  readonly flags: Readonly<Record<string, string>>;
  /** What follows the flags, on one line. */
  readonly text: string;
}

const KNOWN = new Set([
  "ARG",
  "CMD",
  "COPY",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "FROM",
  "HEALTHCHECK",
  "LABEL",
  "RUN",
  "USER",
  "WORKDIR",
]);

/** The instructions of a Dockerfile in order. Throws on what it does not know. */
export function parseDockerfile(text: string): Instruction[] {
  return logicalLines(text).map((line) => {
    const [, word = "", rest = ""] = /^\s*(\S+)\s*(.*)$/s.exec(line) ?? [];
    const name = word.toUpperCase();
    if (!KNOWN.has(name)) throw new Error(`Instruction ${word} is not known here.`);
    return { name, ...withoutFlags(rest.trim()) };
  });
}

/** Comments go, even between the lines of one instruction; a backslash at the end joins lines. */
function logicalLines(text: string): string[] {
  const lines: string[] = [];
  let open = "";
  for (const line of text.split("\n")) {
    if (/^\s*(#|$)/.test(line)) continue;
    if (line.includes("<<")) throw new Error("Here-documents are not known here.");
    const joins = /\\\s*$/.test(line);
    open += joins ? line.replace(/\\\s*$/, "") : line;
    if (joins) continue;
    lines.push(open);
    open = "";
  }
  if (open !== "") throw new Error("The last line is continued by nothing.");
  return lines;
}

function withoutFlags(rest: string): { flags: Record<string, string>; text: string } {
  const flags: Record<string, string> = {};
  let text = rest;
  for (;;) {
    const found = /^--([a-z-]+)=(\S+)\s+/.exec(text);
    if (found === null) return { flags, text };
    flags[found[1]!] = found[2]!;
    text = text.slice(found[0].length);
  }
}

/** The words of the exec form, or null for the shell form. */
export function execForm(text: string): string[] | null {
  if (!text.startsWith("[")) return null;
  const words: unknown = JSON.parse(text);
  if (!Array.isArray(words) || !words.every((word) => typeof word === "string")) throw new Error(`Not words: ${text}`);
  return words;
}

/** `A=b C="d e"`, as ENV and LABEL have it. */
export function pairs(text: string): [name: string, value: string][] {
  const found = [...text.matchAll(/\s*([\w.-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?=\s|$)/gy)];
  if (found.map(([all]) => all).join("") !== text) throw new Error(`Not pairs: ${text}`);
  return found.map(([, name, value]) => [name!, value!.startsWith('"') ? value!.slice(1, -1) : value!]);
}

/** Fills in `$NAME` and `${NAME}`. Throws where there is no such variable, for Docker would silently put nothing there. */
export function fillIn(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => {
    const value = variables[braced ?? bare ?? ""];
    if (value === undefined) throw new Error(`There is no variable ${braced ?? bare}.`);
    return value;
  });
}
