import type { Json } from "../lib/json.ts";
import type { Client } from "./client.ts";
import type { ClaimedTask } from "./contract.ts";
import { isRefusal } from "./errors.ts";
import type { HeldTask } from "./held-task.ts";

/** The keys of all that a task depends on: those it was handed the results of, and those it was not. */
export const inputKeys = ({ inputs, inputsOmitted = {} }: ClaimedTask): string[] => [
  ...Object.keys(inputs),
  ...Object.keys(inputsOmitted),
];

/** Makes a handler's `input` function. What the claim left out is asked for each time, and not kept: it is large. */
export function inputOf(client: Client, inProject: { readonly project?: string }, held: HeldTask) {
  const { inputs, inputsOmitted = {} } = held.task;
  return async (key: string): Promise<Json> => {
    if (Object.hasOwn(inputs, key)) return inputs[key]!;
    if (!Object.hasOwn(inputsOmitted, key))
      throw new TypeError(`The task depends on nothing that is called ${JSON.stringify(key)}.`);
    const id = inputsOmitted[key]!;
    try {
      const { result } = await client.task.get({ ...inProject, id }, { signal: held.signal });
      return result;
    } catch (error) {
      if (isRefusal(error, "not_found")) return null;
      throw error;
    }
  };
}
