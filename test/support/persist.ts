import type { RpcError } from "./service.ts";
import { until } from "./until.ts";

/** Longer than a service, or its database, is away in any test. */
const TIMEOUT_MS = 120_000;
const RETRY_MS = 25;

/**
 * Makes a call again until it is answered, whatever happens to the service meanwhile, as a careful client does. A refusal
 * that says what is wrong is thrown. `onRepeat` is told of each answer that never came.
 */
export async function persist<T>(call: () => Promise<T>, onRepeat: () => void): Promise<T> {
  const again = async () => {
    try {
      return { answer: await call() };
    } catch (error) {
      const type = (error as RpcError).data?.type;
      if (type !== undefined && type !== "unavailable" && type !== "overloaded") throw error;
      onRepeat();
      return null;
    }
  };
  const { answer } = await until("a call is answered", again, { timeoutMs: TIMEOUT_MS, everyMs: RETRY_MS });
  return answer;
}
