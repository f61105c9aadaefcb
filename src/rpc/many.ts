import { z } from "zod";

/** More issues than an answer shows are not looked for. */
const ISSUES_ENOUGH = 100;

/**
 * A list whose items are looked at until there are issues enough. By itself Zod collects all of them: 1,000 tasks with
 * 1,000 wrong dependencies each, a body of 4 MiB, took two seconds of everybody's time.
 */
export function many<T extends z.ZodType>(element: T, max: number): z.ZodArray<T> {
  const list = z.array(element).min(1).max(max);
  const parse = list._zod.parse;
  list._zod.parse = (payload, context) => {
    const items: unknown = payload.value;
    if (!Array.isArray(items)) return parse(payload, context);
    const read: unknown[] = [];
    for (let at = 0; at < items.length && payload.issues.length < ISSUES_ENOUGH; at++) {
      const one = element._zod.run({ value: items[at], issues: [] }, context);
      if (one instanceof Promise) throw new Error("A parameter's schema must not be asynchronous.");
      for (const issue of one.issues) payload.issues.push({ ...issue, path: [at, ...(issue.path ?? [])] });
      read.push(one.value);
    }
    payload.value = read as typeof payload.value;
    return payload;
  };
  return list;
}
