import { expect, test } from "bun:test";
import { everywhere } from "../../src/domain/access/principal.ts";
import type { Refusal } from "../../src/domain/refusals.ts";
import { HeavyCalls } from "../../src/rpc/heavy-calls.ts";

const by = (name: string, signal = new AbortController().signal) => ({
  principal: everywhere(name, new Set()),
  signal,
});

test("so many of one caller run, as many wait in their order, further ones are refused; others are not held up", async () => {
  const heavy = new HeavyCalls(2, 2);
  const began: string[] = [];
  const ends = new Map<string, () => void>();
  const start = (caller: string, name: string) =>
    heavy
      .run(by(caller), async () => {
        began.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
        return name;
      })
      .catch((error: Refusal) => error.type);
  const calls = ["a", "b", "c", "d"].map((name) => start("one", name));
  expect(await start("one", "e")).toBe("rate_limited");
  const other = start("two", "f");
  expect(began).toEqual(["a", "b", "f"]);
  ends.get("b")!();
  expect(await calls[1]!).toBe("b");
  expect(began).toEqual(["a", "b", "f", "c"]);
  for (const name of ["a", "c", "f"]) ends.get(name)!();
  await Promise.all([calls[0], calls[2], other]);
  expect(began.at(-1)).toBe("d");
  ends.get("d")!();
  await calls[3];
  // What failed gives its place back too, and all places are free again.
  await heavy.run(by("one"), () => Promise.reject(new Error("no"))).catch(() => {});
  const again = [start("one", "g"), start("one", "h")];
  expect(began.slice(-2)).toEqual(["g", "h"]);
  for (const name of ["g", "h"]) ends.get(name)!();
  await Promise.all(again);
});

test("a call whose caller has gone while it waited is not begun, and gives its place on", async () => {
  const heavy = new HeavyCalls(1, 2);
  const gone = new AbortController();
  const first = Promise.withResolvers<void>();
  const running = heavy.run(by("one"), () => first.promise);
  let began = false;
  const late = heavy
    .run(by("one", gone.signal), async () => {
      began = true;
    })
    .catch((error: Refusal) => error.type);
  const next = heavy.run(by("one"), async () => "next");
  gone.abort();
  first.resolve();
  await running;
  expect([await late, began, await next]).toEqual(["overloaded", false, "next"]);
});
