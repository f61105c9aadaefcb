import type { Contract } from "../../src/rpc/methods/index.ts";
import type { RpcError } from "./service.ts";

export interface SocketAnswer {
  id: unknown;
  result?: unknown;
  error?: RpcError;
}

/** A WebSocket to a service, for tests: calls in the shape of `rpc`, and messages as they are. */
export interface RpcSocket {
  /** Gives the result, or throws the error object that was answered. Rejects if the connection closes before the answer. */
  call<M extends keyof Contract>(method: M, params: Contract[M]["params"]): Promise<Contract[M]["result"]>;
  /** Sends a message as it is; its answer, if one comes, is told by `next`. */
  send(message: unknown): void;
  /** The next message that answers none of `call`, parsed. Rejects if the connection closes before. */
  next(): Promise<unknown>;
  close(): void;
  /** How the connection ended, once it has. */
  readonly closed: Promise<{ code: number; reason: string }>;
}

/** Opens a WebSocket to the service at `url`, with an API key if one is given. Rejects if the service does not take it. */
export async function rpcSocket(url: string, key?: string): Promise<RpcSocket> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const ws = new WebSocket(`${url.replace(/^http/, "ws")}/rpc`, { headers } as never);
  const calls = new Map<string, PromiseWithResolvers<unknown>>();
  const messages: unknown[] = [];
  const waiting: PromiseWithResolvers<unknown>[] = [];
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  const opened = Promise.withResolvers<void>();
  let isClosed = false;
  ws.onopen = () => opened.resolve();
  ws.onmessage = ({ data }: MessageEvent<string>) => {
    const answer = JSON.parse(data) as SocketAnswer;
    const call = calls.get(String(answer.id));
    if (call === undefined) {
      const next = waiting.shift();
      if (next) next.resolve(answer);
      else messages.push(answer);
    } else if (answer.error) call.reject(answer.error);
    else call.resolve(answer.result);
    calls.delete(String(answer.id));
  };
  ws.onclose = ({ code, reason }) => {
    isClosed = true;
    const error = new Error(`The WebSocket was closed: ${code} ${reason}`);
    opened.reject(error);
    for (const one of [...calls.values(), ...waiting]) one.reject(error);
    closed.resolve({ code, reason });
  };
  await opened.promise;
  let sent = 0;
  return {
    call<M extends keyof Contract>(method: M, params: Contract[M]["params"]) {
      // Nobody else's id: what is sent with `send` has ids of its own.
      const id = `call ${++sent}`;
      const call = Promise.withResolvers<unknown>();
      if (isClosed) call.reject(new Error("The WebSocket is closed."));
      else {
        calls.set(id, call);
        ws.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      }
      return call.promise as Promise<Contract[M]["result"]>;
    },
    send: (message) => ws.send(typeof message === "string" ? message : JSON.stringify(message)),
    next() {
      const next = Promise.withResolvers<unknown>();
      if (messages.length > 0) next.resolve(messages.shift());
      else if (isClosed) next.reject(new Error("The WebSocket is closed."));
      else waiting.push(next);
      return next.promise;
    },
    close: () => ws.close(),
    closed: closed.promise,
  };
}

/** One connection for all calls to a service, as a client would have it. */
const shared = new Map<string, Promise<RpcSocket>>();
/** Others for messages as they are, whose ids may be anybody's. */
const raw = new Map<string, Promise<RpcSocket>>();

/**
 * As `rpc`, over a WebSocket: to be given in its place. A call with a signal has a connection of its own, for a caller on
 * a WebSocket can hang up on all of its calls only.
 */
export async function socketRpc<M extends keyof Contract>(
  url: string,
  method: M,
  params: Contract[M]["params"],
  { signal }: { signal?: AbortSignal } = {},
): Promise<Contract[M]["result"]> {
  if (signal === undefined) return (await sharedSocket(url)).call(method, params);
  signal.throwIfAborted();
  const socket = await rpcSocket(url);
  const hangUp = () => socket.close();
  signal.addEventListener("abort", hangUp, { once: true });
  try {
    return await socket.call(method, params);
  } finally {
    signal.removeEventListener("abort", hangUp);
    socket.close();
  }
}

/** As `rawRpc`, over a WebSocket: one message as it is, on a connection of its own for one call at a time. */
export async function rawSocketRpc(url: string, message: unknown): Promise<SocketAnswer> {
  const socket = await rawSocket(url);
  const answer = socket.next();
  socket.send(message);
  return (await answer) as SocketAnswer;
}

const sharedSocket = (url: string) => remembered(shared, url);
const rawSocket = (url: string) => remembered(raw, url);

function remembered(sockets: Map<string, Promise<RpcSocket>>, url: string): Promise<RpcSocket> {
  const known = sockets.get(url);
  if (known) return known;
  const socket = rpcSocket(url);
  sockets.set(url, socket);
  const forget = () => void (sockets.get(url) === socket && sockets.delete(url));
  socket.then(({ closed }) => closed).then(forget, forget);
  return socket;
}
