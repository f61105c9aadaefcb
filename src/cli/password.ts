import type { CliDeps, TextInput } from "./deps.ts";
import { UsageError } from "./failure.ts";

/** More than any password may have, so that a file that was piped in by mistake is not read to its end. */
const CHARACTERS_MAX = 4096;
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const BACKSPACE = ["\b", "\u007f"];

type Around = Pick<CliDeps, "stdin" | "stderr">;

/** A password: from a terminal typed twice and not shown, else the first line of the input. */
export async function readPassword({ stdin, stderr }: Around): Promise<string> {
  const characters = charactersOf(stdin);
  if (!stdin.isTTY || stdin.setRawMode === undefined) return given(await line(characters));
  stdin.setRawMode(true);
  try {
    stderr.write("Password: ");
    const first = given(await typed(characters));
    stderr.write("\nThe same again: ");
    const second = await typed(characters);
    stderr.write("\n");
    if (first !== second) throw new UsageError("The two passwords differ.");
    return first;
  } finally {
    stdin.setRawMode(false);
  }
}

function given(password: string): string {
  if (password === "") throw new UsageError("A password is wanted on standard input, one line.");
  return password;
}

async function line(characters: AsyncIterator<string>): Promise<string> {
  let text = "";
  for (let next = await characters.next(); !next.done && next.value !== "\n"; next = await characters.next()) {
    text += next.value;
    if (text.length > CHARACTERS_MAX)
      throw new UsageError("The first line of standard input is too long for a password.");
  }
  return text.replace(/\r$/, "");
}

/** One line as it is typed on a raw terminal, where the keys that correct and end it are ours to understand. */
async function typed(characters: AsyncIterator<string>): Promise<string> {
  let text: string[] = [];
  for (let next = await characters.next(); !next.done; next = await characters.next()) {
    const key = next.value;
    if (key === "\r" || key === "\n") break;
    if (key === CTRL_C || key === CTRL_D) throw new Error("Nothing was done.");
    if (BACKSPACE.includes(key)) text = text.slice(0, -1);
    else if (text.length < CHARACTERS_MAX) text.push(key);
  }
  return text.join("");
}

/** Bytes that are not UTF-8 are an error: a password goes in as it was typed or not at all. */
async function* charactersOf(input: TextInput): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for await (const chunk of input) yield* typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
  yield* decoder.decode();
}
