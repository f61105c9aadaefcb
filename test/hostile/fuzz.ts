/** Sends mutated bodies to a service, over HTTP connections that stay open and over WebSockets, and looks at what comes back. */
import { isAnswered, wrongWith } from "./answers.ts";
import { mutatedBody } from "./mutations.ts";
import { Random } from "./random.ts";
import { recordTraffic, type WireCall } from "./traffic.ts";

export interface FuzzOptions {
  readonly url: string;
  readonly seed: number;
  readonly count: number;
  /** Called now and then with how many bodies have been answered. */
  onProgress?(done: number): Promise<void> | void;
}

export interface Finding {
  readonly wrong: string;
  readonly status: number | null;
  readonly body: string;
  readonly answer: string | null;
}

export interface FuzzReport {
  readonly findings: readonly Finding[];
  readonly answered: number;
  /** By error type, and "ok", where one call was answered; the rest of the bodies otherwise. */
  readonly outcomes: ReadonlyMap<string, number>;
}

/** Callers at a time: each sends a body, waits for its answer, and sends the next. */
const HTTP_CALLERS = 24;
const SOCKET_CALLERS = 8;
/** So many bodies are made from one recording: leases and states move on. */
const ROUND = 25_000;
/** Mutations of mutations grow; beyond this a body is not read. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;
/** More of them say nothing new. */
const FINDINGS_MAX = 50;
/** Who may be waiting for a task is hung up on: mutations like to make a wait of a minute. */
const PATIENCE_MS = 1_000;

export async function fuzz({ url, seed, count, onProgress }: FuzzOptions): Promise<FuzzReport> {
  const random = new Random(seed);
  const findings: Finding[] = [];
  const outcomes = new Map<string, number>();
  let answered = 0;
  let left = count;
  const note = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);

  const callers: Caller[] = [
    ...Array.from({ length: HTTP_CALLERS }, () => httpCaller(url)),
    ...Array.from({ length: SOCKET_CALLERS }, () => socketCaller(url)),
  ];
  for (let round = 0; left > 0; round++) {
    const corpus = await record(url, `${round}-${random.roll(2 ** 31).toString(36)}`);
    let due = Math.min(left, ROUND, Math.ceil(count / 4));
    left -= due;
    const work = async (caller: Caller) => {
      while (due > 0 && findings.length < FINDINGS_MAX) {
        due--;
        const body = mutatedBody(random, corpus);
        const came = await caller.send(body);
        answered++;
        note(came.kind === "answer" ? outcomeOf(came.text) : came.kind);
        const finding = findingOf(body, came);
        if (finding !== null) findings.push(finding);
      }
    };
    await Promise.all(callers.map(work));
    await onProgress?.(answered);
    if (findings.length >= FINDINGS_MAX) break;
  }
  for (const caller of callers) caller.close();
  return { findings, answered, outcomes };
}

/** A recording of valid calls; fails if one of them is refused, for then the service has come to harm. */
async function record(url: string, mark: string): Promise<WireCall[]> {
  return await recordTraffic(async (method, params) => {
    const response = await post(url, JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
    const { result, error } = (await response.json()) as { result?: unknown; error?: unknown };
    if (error !== undefined) throw new Error(`${method} was refused: ${JSON.stringify(error)}`);
    return result;
  }, mark);
}

type Came =
  | { readonly kind: "answer"; readonly status: number; readonly text: string }
  | { readonly kind: "silence" }
  | { readonly kind: "hung up" }
  | { readonly kind: "broken"; readonly error: string };

interface Caller {
  send(body: Buffer<ArrayBuffer>): Promise<Came>;
  close(): void;
}

function findingOf(body: Buffer, came: Came): Finding | null {
  if (came.kind === "hung up") return null;
  const shown = (wrong: string, status: number | null, answer: string | null): Finding => ({
    wrong,
    status,
    body: body.length > 3000 ? `${body.subarray(0, 3000).toString()}… (${body.length} bytes)` : body.toString(),
    answer: answer?.slice(0, 2000) ?? null,
  });
  if (came.kind === "broken") return shown(came.error, null, null);
  const [status, answer] = came.kind === "silence" ? [204, null] : [came.status, came.text];
  if (status === 413 && body.length > BODY_BYTES_MAX) return null;
  if (status !== 200 && status !== 204) return shown(`HTTP ${status}`, status, answer);
  const wrong = wrongWith(body, answer);
  return wrong === null ? null : shown(wrong, status, answer);
}

function outcomeOf(text: string): string {
  if (text.startsWith("[")) return "batch";
  return text.startsWith('{"jsonrpc":"2.0","result"') ? "ok" : (/"type":"([a-z_]+)"/.exec(text)?.[1] ?? "?");
}

const mayWait = (body: Buffer) => body.includes("waitSeconds");

function post(url: string, body: string | Buffer<ArrayBuffer>, signal?: AbortSignal): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(`${url}/rpc`, { method: "POST", headers, body, ...(signal ? { signal } : {}) });
}

function httpCaller(url: string): Caller {
  return {
    async send(body) {
      const signal = mayWait(body) ? AbortSignal.timeout(PATIENCE_MS) : undefined;
      try {
        const response = await post(url, body, signal);
        const text = await response.text();
        return response.status === 204 ? { kind: "silence" } : { kind: "answer", status: response.status, text };
      } catch (error) {
        return signal?.aborted ? { kind: "hung up" } : { kind: "broken", error: String(error) };
      }
    },
    close() {},
  };
}

/** Over a WebSocket, but for what may be answered or not: nobody would know whom the next message answers. */
function socketCaller(url: string): Caller {
  const otherwise = httpCaller(url);
  let socket: WebSocket | undefined;
  let came: PromiseWithResolvers<Came> | undefined;
  const open = async (): Promise<WebSocket> => {
    if (socket !== undefined) return socket;
    const opening = new WebSocket(`${url.replace(/^http/, "ws")}/rpc`);
    opening.onmessage = ({ data }: MessageEvent<string>) => {
      // What comes late on a connection that was hung up on answers nobody.
      if (socket === opening) came?.resolve({ kind: "answer", status: 200, text: data });
    };
    opening.onclose = ({ code, reason }) => {
      if (socket !== opening) return;
      socket = undefined;
      came?.resolve({ kind: "broken", error: `The WebSocket was closed: ${code} ${reason}` });
    };
    await new Promise((resolve) => opening.addEventListener("open", resolve));
    socket = opening;
    return opening;
  };
  const hangUp = () => {
    came?.resolve({ kind: "hung up" });
    const closing = socket;
    socket = undefined;
    closing?.close();
  };
  return {
    async send(body) {
      const answered = isAnswered(body);
      if (answered === "perhaps" || body.length > BODY_BYTES_MAX) return await otherwise.send(body);
      const on = await open();
      came = Promise.withResolvers();
      on.send(body.toString());
      if (answered === "no") return { kind: "silence" };
      const patience = mayWait(body) ? setTimeout(hangUp, PATIENCE_MS) : undefined;
      const what = await came.promise;
      clearTimeout(patience);
      return what;
    },
    close: hangUp,
  };
}
