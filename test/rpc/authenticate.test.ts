import { expect, test } from "bun:test";
import { Refusal } from "../../src/domain/refusals.ts";
import { createAuthenticate } from "../../src/rpc/authenticate.ts";

test("wrong keys that are looked up at the same time are all charged, also above what there was", async () => {
  const lookedUp = Promise.withResolvers<null>();
  const authenticate = createAuthenticate({
    ofKey: () => lookedUp.promise,
    wasGood: () => false,
    ofSession: async () => null,
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
