import { InvalidParams, Refusal } from "../domain/refusals.ts";
import * as worker from "../domain/worker/worker.ts";
import type { EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, InProject, Page } from "./engine.ts";

/** The engine's part that shows workers. What this instance has seen of them is written down first. */
export function workers(context: EngineContext) {
  return {
    async listWorkers(params: Page, call: Call) {
      const projectId = await context.directory.project(params.project ?? call.project);
      await context.workers.flush();
      const place = params.cursor === undefined ? null : placeOf(params.cursor);
      const rows = await context.cold.run((db) => db.any(worker.listWorkers(projectId, place, params.limit + 1)));
      const page = rows.slice(0, params.limit);
      const last = page.at(-1);
      const nextCursor = rows.length > params.limit && last ? formatCursor([last.seen_text, last.id]) : null;
      return { workers: page.map(worker.workerView), nextCursor };
    },
    async getWorker(params: InProject & { readonly id: string }, call: Call) {
      const projectId = await context.directory.project(params.project ?? call.project);
      await context.workers.flush();
      const row = await context.cold.run((db) => db.maybeOne(worker.getWorker(projectId, params.id)));
      if (!row) throw new Refusal("not_found", { noun: "worker", id: params.id });
      return worker.workerView(row);
    },
  };
}

function placeOf(cursor: string): { key: string; id: string } {
  const [key, id] = parseCursor(cursor, 2);
  if (!/^\d{4,6}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d)*$/.test(key!))
    throw new InvalidParams([{ path: "cursor", message: "is not a cursor of this list" }]);
  return { key: key!, id: id! };
}
