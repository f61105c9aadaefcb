import { drain, endPolls, holdPolls } from "./drain.ts";
import { enqueue, feed, fill, tellWorkedOff } from "./enqueue.ts";
import { attack, endAttack, goodCalls } from "./hostile.ts";
import { insertRows } from "./insert.ts";
import { pickup, stopWork, work } from "./work.ts";

/** What a child process of the bench can be asked to do. */
export const OPERATIONS = {
  enqueue,
  fill,
  feed,
  tellWorkedOff,
  drain,
  holdPolls,
  endPolls,
  work,
  stopWork,
  pickup,
  insertRows,
  attack,
  endAttack,
  goodCalls,
};

export type Operations = typeof OPERATIONS;
export type OperationName = keyof Operations;
export type Arguments<N extends OperationName> = Operations[N] extends () => unknown
  ? null
  : Parameters<Operations[N]>[0];
export type Outcome<N extends OperationName> = Awaited<ReturnType<Operations[N]>>;
