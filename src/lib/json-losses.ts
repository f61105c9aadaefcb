import { afterNumber, afterString } from "./json-fidelity.ts";
import { numberSurvives } from "./json-number.ts";
import type { PathSegment } from "./json-path.ts";

/** Takes one loss. The path is from the text's root, and is only good during the call: it is changed afterwards. */
export type ReportLoss = (path: readonly PathSegment[], message: string) => void;

/**
 * Tells every place at which a JSON text would not come back as it was sent, in the order of the text. For texts that
 * `parseJson` has parsed and found suspect; it reads them letter by letter, which few calls but the refused ones pay for.
 */
export function findLosses(text: string, report: ReportLoss): void {
  new LossFinder(text, report).value();
}

/** A reader of valid JSON: it checks nothing that `JSON.parse` has checked. Recursion is bounded by the nesting. */
class LossFinder {
  readonly #text: string;
  readonly #report: ReportLoss;
  readonly #path: PathSegment[] = [];
  #at = 0;

  constructor(text: string, report: ReportLoss) {
    this.#text = text;
    this.#report = report;
  }

  value(): void {
    const character = this.#next();
    if (character === "{") this.#object();
    else if (character === "[") this.#array();
    else if (character === '"') this.#checkText(this.#string());
    else if (character === "t" || character === "n") this.#at += "true".length;
    else if (character === "f") this.#at += "false".length;
    else this.#number();
  }

  #object(): void {
    this.#at++;
    const keys = new Set<string>();
    while (this.#next() !== "}") {
      if (this.#next() === ",") this.#at++;
      this.#next();
      this.#member(keys);
    }
    this.#at++;
  }

  #member(keys: Set<string>): void {
    const key = this.#string();
    this.#path.push(key);
    this.#checkText(key);
    if (keys.has(key)) this.#report(this.#path, "must not be given twice in one object");
    keys.add(key);
    this.#next();
    this.#at++;
    this.value();
    this.#path.pop();
  }

  #array(): void {
    this.#at++;
    for (let index = 0; this.#next() !== "]"; index++) {
      if (index > 0) this.#at++;
      this.#path.push(index);
      this.value();
      this.#path.pop();
    }
    this.#at++;
  }

  #string(): string {
    const end = afterString(this.#text, this.#at);
    const literal = this.#text.slice(this.#at, end);
    this.#at = end;
    return literal.includes("\\") ? String(JSON.parse(literal)) : literal.slice(1, -1);
  }

  #number(): void {
    const end = afterNumber(this.#text, this.#at);
    const literal = this.#text.slice(this.#at, end);
    this.#at = end;
    if (!numberSurvives(literal)) {
      this.#report(this.#path, "must be a number that comes back with the same value; send others as text");
    }
  }

  #checkText(text: string): void {
    if (text.includes("\u0000")) this.#report(this.#path, "must not hold the character U+0000");
    if (!text.isWellFormed()) this.#report(this.#path, "must not hold half a surrogate pair");
  }

  /** Moves to the next character that is not white space, and returns it. */
  #next(): string | undefined {
    let character = this.#text[this.#at];
    while (character === " " || character === "\n" || character === "\r" || character === "\t") {
      character = this.#text[++this.#at];
    }
    return character;
  }
}
