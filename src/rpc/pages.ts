import { holds } from "../domain/access/scopes.ts";
import { Refusal } from "../domain/refusals.ts";
import { json, text, tryLater } from "./answers.ts";
import type { Authenticate } from "./authenticate.ts";
import { enter, refused } from "./entering.ts";
import type { ErrorLog } from "./errors.ts";

export interface PagesOptions {
  log: ErrorLog;
  authenticate: Authenticate;
  /** True when the database can be reached and is migrated. */
  ready(): Promise<boolean>;
  metrics: { contentType: string; text(): Promise<string> };
  /** The OpenRPC document. */
  openrpc: object;
}

/** What GET answers, by path. */
export type Page = (request: Request, address: string) => Promise<Response>;

export function createPages(options: PagesOptions): ReadonlyMap<string, Page> {
  const openrpc = JSON.stringify(options.openrpc);
  return new Map<string, Page>([
    ["/healthz", async () => json(200, '{"status":"ok"}')],
    ["/openrpc.json", async () => json(200, openrpc)],
    ["/readyz", () => answerReady(options)],
    ["/metrics", (request, address) => answerMetrics(request, address, options)],
  ]);
}

async function answerReady({ ready, log }: PagesOptions): Promise<Response> {
  try {
    if (await ready()) return json(200, '{"status":"ready"}');
  } catch (error) {
    log.error("Readiness could not be told.", { error });
  }
  return tryLater("The database cannot be reached, or is not migrated.");
}

/** The metrics name the projects and queues of all, so they are for those who may read the queues of all. */
async function answerMetrics(
  request: Request,
  address: string,
  { authenticate, metrics }: PagesOptions,
): Promise<Response> {
  const entered = await enter(authenticate, request.headers, address);
  if ("refusal" in entered) return refused(entered.refusal);
  const { everywhere, queues } = entered.guest.principal;
  if (everywhere === null || queues !== null || !holds(everywhere, ["queue:read"]))
    return refused(new Refusal("forbidden", { scope: "queue:read" }));
  return text(metrics.contentType, await metrics.text());
}
