import type { Guest } from "../engine/credentials.ts";
import type { Call } from "./method.ts";

/** The call of one HTTP request. */
export interface CallOfRequest extends Call {
  /** To be called when the request has been answered: lets go of the signals, which outlive it. */
  end(): void;
}

/**
 * A call whose signal is aborted when its caller hangs up, or may not do the same any more, or the service stops. The signal is
 * made when it is first asked for: only methods that wait ask, and the others save some microseconds. It is put together by
 * hand, because AbortSignal.any leaves something behind on a long-lived signal such as `stopping` (seen on Deno: memory grew).
 */
export function callOf(request: Request, stopping: AbortSignal, guest: Guest): CallOfRequest {
  let controller: AbortController | undefined;
  let sources: AbortSignal[] = [];
  let stay = (): void => {};
  const abort = (): void => controller?.abort(noLongerWaited());

  return {
    principal: guest.principal,
    get signal() {
      if (controller === undefined) {
        controller = new AbortController();
        stay = guest.onEnd(abort);
        sources = [request.signal, stopping];
        for (const source of sources) source.addEventListener("abort", abort, { once: true });
        if (sources.some((source) => source.aborted)) abort();
      }
      return controller.signal;
    },
    end() {
      for (const source of sources) source.removeEventListener("abort", abort);
      stay();
    },
  };
}

/** The call that all requests of one WebSocket connection share: their caller is one, and hangs up on all of them. */
export interface CallOfSocket extends Call {
  /** To be called when the caller has hung up or the service stops. */
  abort(): void;
}

/** As for an HTTP request, the signal is made when it is first asked for; it is one for the whole connection. */
export function callOfSocket(guest: Pick<Guest, "principal">): CallOfSocket {
  let controller: AbortController | undefined;
  let aborted = false;
  return {
    get principal() {
      return guest.principal;
    },
    get signal() {
      if (controller === undefined) {
        controller = new AbortController();
        if (aborted) controller.abort(noLongerWaited());
      }
      return controller.signal;
    },
    abort() {
      aborted = true;
      controller?.abort(noLongerWaited());
    },
  };
}

const noLongerWaited = () => new Error("The caller has hung up, or the service is stopping.");
