/** One call on its way: what each transport is given, and may be given again for a retry. */
export interface Exchange {
  /** The message's id; no other call of the client has it. */
  readonly id: number;
  readonly method: string;
  /** The JSON-RPC request, written. */
  readonly text: string;
  /** Levels of nesting in it. */
  readonly depth: number;
  /** Most milliseconds for the whole exchange, the answer's body included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** The service itself waits before it answers, so it must learn when nobody waits for the answer any more. */
  readonly waits: boolean;
  /** It is answered as soon as it is done and soon done: it may share a message with others, whose answers then come together. */
  readonly brief: boolean;
  /** Takes a result that comes when the call has been given up, where the service cannot be told so. */
  readonly late: ((result: unknown) => void) | undefined;
}

export interface Transport {
  /**
   * Answers the call's result; rejects with RpcError (answered with an error), TransportError (no answer), or the signal's
   * reason.
   */
  exchange(call: Exchange): Promise<unknown>;
  /** Lets go of what it holds. Calls under way, and later ones, reject. */
  close(): void;
}
