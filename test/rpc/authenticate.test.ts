import { expect, test } from "bun:test";
import { Refusal } from "../../src/domain/refusals.ts";
import { createAuthenticate } from "../../src/rpc/authenticate.ts";
import { GUEST } from "../support/open-door.ts";

test("wrong keys that are looked up at the same time are all charged, also above what there was", async () => {
  const lookedUp = Promise.withResolvers<null>();
  const authenticate = createAuthenticate({
    ofKey: () => lookedUp.promise,
    wasGood: () => false,
    ofSession: async () => null,
    sessionWasGood: () => false,
    adminKey: null,
    wrongPerAddress: 1,
    refused: () => {},
  });
  const show = () =>
    authenticate(new Headers({ authorization: `Bearer osqs_${"a".repeat(43)}` }), "192.0.2.1").catch(
      (error: Refusal) => error,
    );
  const together = Array.from({ length: 100 }, show);
  lookedUp.resolve(null);
  for (const refusal of await Promise.all(together)) expect((refusal as Refusal).type).toBe("unauthenticated");
  // Ten were there; ninety are owed, of which one comes back in a second.
  const next = await show();
  expect(next).toBeInstanceOf(Refusal);
  expect((next as Refusal<"rate_limited">).data.retryAfterSeconds).toBeGreaterThan(60);
});

test("an address that must wait holds back what was never good there, and nobody else", async () => {
  const known = new Set(["good key", "good cookie"]);
  const lookedUp: string[] = [];
  const authenticate = createAuthenticate({
    ofKey: async () => {
      lookedUp.push("key");
      return null;
    },
    wasGood: () => false,
    ofSession: async (headers) => {
      lookedUp.push(headers.get("cookie")!);
      return known.has(headers.get("cookie")!) ? GUEST : null;
    },
    sessionWasGood: (headers) => known.has(headers.get("cookie")!),
    adminKey: null,
    wrongPerAddress: 1,
    refused: () => {},
  });
  const show = (headers: Record<string, string>, address = "192.0.2.1") =>
    authenticate(new Headers(headers), address).catch((error: Refusal) => error.type);
  const cookie = (text: string) => ({ cookie: text, origin: "http://127.0.0.1" });
  for (let at = 0; at < 10; at++) expect(await show(cookie("forged"))).toBe("unauthenticated");
  lookedUp.length = 0;
  expect(await show(cookie("forged"))).toBe("rate_limited");
  expect(await show({ authorization: `Bearer osqs_${"a".repeat(43)}` })).toBe("rate_limited");
  expect(lookedUp).toEqual([]);
  expect(await show(cookie("good cookie"))).toBe(GUEST);
  expect(await show(cookie("forged"), "192.0.2.2")).toBe("unauthenticated");
});
