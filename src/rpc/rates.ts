import { Refusal } from "../domain/refusals.ts";
import { TokenBuckets } from "../lib/token-buckets.ts";
import { addressGroup } from "./address.ts";

/** Takes so many calls of somebody at an address; answers the refusal of all of them where these are too many. */
export type Rates = (principalId: string, address: string, calls: number) => Refusal | undefined;

/** Twice what comes in a second may come in a moment: callers are not that even. */
const BURST = 2;

/** Calls a second by key or person, and by address; 0: any number. */
export function createRates(perKey: number, perAddress: number): Rates {
  const [keys, addresses] = [perKey, perAddress].map((rate) =>
    rate > 0 ? new TokenBuckets(rate, rate * BURST) : null,
  );
  return (principalId, address, calls) => {
    const seconds = keys?.take(principalId, calls) || addresses?.take(addressGroup(address), calls) || 0;
    return seconds > 0 ? new Refusal("rate_limited", { retryAfterSeconds: Math.ceil(seconds) }) : undefined;
  };
}
