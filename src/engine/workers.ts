import { InvalidParams, Refusal } from "../domain/refusals.ts";
import * as worker from "../domain/worker/worker.ts";
import type { EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, InProject, Page } from "./engine.ts";
import { visible } from "./visible.ts";

/** The engine's part that shows workers. What this instance has seen of them is written down first. */
export function workers(context: EngineContext) {
  return {
    async listWorkers(params: Page, call: Call) {
      const projectId = await context.directory.projectOf(params, call);
      await context.workers.flush();
      const place = params.cursor === undefined ? null : placeOf(params.cursor);
      const rows = await visible(
        params.limit + 1,
        call.principal.queues && ((row: worker.WorkerRow) => seen(row, call) !== null),
        (last, limit) => {
          const after = last ? { key: last.seen_text, id: last.id } : place;
          return context.cold.run((db) => db.any(worker.listWorkers(projectId, after, limit)));
        },
      );
      const page = rows.slice(0, params.limit);
      const last = page.at(-1);
      const nextCursor = rows.length > params.limit && last ? formatCursor([last.seen_text, last.id]) : null;
      return { workers: page.flatMap((row) => seen(row, call) ?? []), nextCursor };
    },
    async getWorker(params: InProject & { readonly id: string }, call: Call) {
      const projectId = await context.directory.projectOf(params, call);
      await context.workers.flush();
      const row = await context.cold.run((db) => db.maybeOne(worker.getWorker(projectId, params.id)));
      const view = row && seen(row, call);
      if (!view) throw new Refusal("not_found", { noun: "worker", id: params.id });
      return view;
    },
  };
}

/** A worker as the caller may see it, with those of its queues that it may know of; null where there is none. */
export function seen(row: worker.WorkerRow, { principal: { queues } }: Call): worker.WorkerView | null {
  const view = worker.workerView(row);
  if (queues === null) return view;
  const known = view.queues.filter((name) => queues.allows(name));
  return known.length > 0 ? { ...view, queues: known } : null;
}

function placeOf(cursor: string): { key: string; id: string } {
  const [key, id] = parseCursor(cursor, 2);
  if (!/^\d{4,6}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d)*$/.test(key!))
    throw new InvalidParams([{ path: "cursor", message: "is not a cursor of this list" }]);
  return { key: key!, id: id! };
}
