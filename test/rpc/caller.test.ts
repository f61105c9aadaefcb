import { expect, test } from "bun:test";
import { ANYONE } from "../../src/domain/access/principal.ts";
import { callOf, callOfSocket } from "../../src/rpc/caller.ts";
import { GUEST } from "../support/open-door.ts";

function aCall(stopping = new AbortController()) {
  const hangUp = new AbortController();
  const call = callOf(new Request("http://localhost/rpc", { signal: hangUp.signal }), stopping.signal, GUEST);
  return { call, hangUp, stopping };
}

test("the signal is aborted by a hang-up and by a stop, one signal for all who ask", () => {
  for (const cause of ["hangUp", "stopping"] as const) {
    const made = aCall();
    const { signal } = made.call;
    expect(signal.aborted).toBe(false);
    made[cause].abort();
    expect(signal.aborted).toBe(true);
    expect(made.call.signal).toBe(signal);
  }
});

test("who asks late learns what happened before", () => {
  const { call, stopping } = aCall();
  stopping.abort();
  expect(call.signal.aborted).toBe(true);
});

test("when the call has ended, the service's signal holds on to nothing of it", () => {
  const { call, stopping } = aCall();
  const { signal } = call;
  call.end();
  stopping.abort();
  expect(signal.aborted).toBe(false);
});

test("the calls of a connection share a signal, whenever they ask for it", () => {
  const call = callOfSocket(GUEST);
  const { signal } = call;
  expect([signal.aborted, call.principal]).toEqual([false, ANYONE]);
  call.abort();
  expect([signal.aborted, call.signal]).toEqual([true, signal]);
  const late = callOfSocket(GUEST);
  late.abort();
  expect(late.signal.aborted).toBe(true);
});
