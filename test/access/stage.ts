/** A service that demands credentials, with projects and keys made by the key of its environment. */
import type { Scope } from "../../src/domain/access/scopes.ts";
import { formatReceipt } from "../../src/domain/task/receipt.ts";
import { idGenerator } from "../../src/lib/uuid7.ts";
import type { Contract } from "../../src/rpc/methods/index.ts";
import type { OpenRpcDocument } from "../../src/rpc/openrpc.ts";
import { post, type RpcError, rpc, testService } from "../support/service.ts";
import { type Give, type Kind, Methods } from "./params.ts";

export const ADMIN_KEY = "the-key-of-the-environment";

/** A testService() that demands credentials; calls are made by its own key unless another is given. */
export function guardedService(env: Record<string, string> = {}) {
  const service = testService({ AUTH: "on", ADMIN_KEY, ...env });
  const call = <M extends keyof Contract>(method: M, params: Contract[M]["params"], key: string = ADMIN_KEY) =>
    rpc(service.url, method, params, { key });
  const makeKey = async (params: Partial<Contract["apiKey.create"]["params"]> = {}, by = ADMIN_KEY) => {
    const made = await call("apiKey.create", { name: "a key", scopes: ["admin"], ...params }, by);
    return { id: made.id, key: made.key! };
  };
  return {
    get url() {
      return service.url;
    },
    get databaseUrl() {
      return service.databaseUrl;
    },
    atEnd: service.atEnd,
    call,
    makeKey,
    keyOf: async (project: string, scopes: Scope[], more: { queues?: string[] } = {}) =>
      (await makeKey({ project, scopes, ...more })).key,
    async makeProject(name: string) {
      await call("project.create", { name });
      return name;
    },
    async methods(): Promise<Methods> {
      return new Methods((await answerOf(service.url, "rpc.discover", {}, ADMIN_KEY)).result as OpenRpcDocument);
    },
  };
}

export type GuardedService = ReturnType<typeof guardedService>;

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
  readonly result?: unknown;
  readonly error?: RpcError;
}

/** One call of any name, and all that comes back. */
export async function answerOf(url: string, method: string, params: unknown, key?: string): Promise<Answer> {
  const response = await post(url, { jsonrpc: "2.0", id: 1, method, params }, { key });
  const text = await response.text();
  const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== "date"));
  return { status: response.status, headers, text, ...(JSON.parse(text) as object) };
}

const ids = idGenerator(Date.now);
/** An id of nothing: of a queue and a project that there are not. */
export const unknownId = () => ids(-Math.floor(Math.random() * 2 ** 30) - 1);

/** A value of each kind that names nothing. */
export const unknown: Give = (kind) => UNKNOWN[kind]();

const cursorOf = (...parts: string[]) => Buffer.from(JSON.stringify(parts)).toString("base64url");
const UNKNOWN: Readonly<Record<Kind, () => unknown>> = {
  task: unknownId,
  receipt: () => formatReceipt(unknownId(), 1, false),
  workflow: unknownId,
  key: unknownId,
  worker: () => "no-worker",
  queue: () => "no-queue",
  project: () => "no-project",
  tag: () => "no-tag",
  category: () => "no-category",
  schedule: () => "no-schedule",
  taskName: () => "no-name",
  workflowName: () => "no-workflow",
  workflowKey: () => "no-key",
  keyName: () => "no-key",
  owner: () => "nobody",
  dedupeKey: () => "no-dedupe-key",
  requestId: () => crypto.randomUUID(),
  cursor: () => cursorOf("a"),
  text: () => "nothing",
  payload: () => ({}),
  user: () => "nobody",
};
