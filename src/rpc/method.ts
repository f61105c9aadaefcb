import type { z } from "zod";
import type { Scope } from "../domain/access/scopes.ts";
import type { RefusalType } from "../domain/refusals.ts";
import type { Call, Engine } from "../engine/engine.ts";

export type { Call } from "../engine/engine.ts";

/**
 * One JSON-RPC method. This table is the contract, the check and the documentation at once: parameters and results are
 * validated, typed (also in the client) and described in OpenRPC from it.
 */
export interface Method<P extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> {
  readonly name: string;
  /** One sentence for OpenRPC. */
  readonly summary: string;
  readonly params: P;
  readonly result: R;
  /** Changes something: takes `requestId`. */
  readonly changing: boolean;
  /** What a caller must be allowed, one of these where they are several; null: any credential will do. */
  readonly scope: Scope | readonly [Scope, ...Scope[]] | null;
  /** The parameter that names the project, where it is not `project`. */
  readonly projectIn?: "name";
  /** The parameter that names a queue, where it is none that does so in every method. */
  readonly queueIn?: "name";
  /** Whether a call takes the scope for the whole service, not for one project. */
  everywhere?(params: z.output<P>): boolean;
  /** What a call weighs at least in a batch, where it is more than 1; see cost.ts. */
  readonly cost?: number;
  /** May hold a connection to the database for long: a caller has few of these under way at a time. */
  readonly heavy?: boolean;
  /** The refusals this method may answer, beside those any call may meet. */
  readonly refusals: readonly RefusalType[];
  run(engine: Engine, params: z.output<P>, call: Call): Promise<z.input<R>>;
}

/** Keeps the parameter and result types of a method's definition. */
export function method<const N extends string, P extends z.ZodType, R extends z.ZodType>(
  definition: Method<P, R> & { readonly name: N },
): Method<P, R> & { readonly name: N } {
  return definition;
}
