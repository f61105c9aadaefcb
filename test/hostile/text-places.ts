/** Where the methods of a service take text, by what the service says of itself: a new method is found by itself. */
import type { OpenRpcDocument } from "../../src/rpc/openrpc.ts";

type Schema = { readonly [key: string]: unknown };
export type Path = readonly (string | number)[];

export interface TextPlace {
  readonly method: string;
  readonly path: Path;
  /** Anything may stand here, so text may stand here as a key too. */
  readonly free: boolean;
}

/** Deeper, a schema that contains itself would go on for ever. */
const DEPTH_MAX = 6;

export function textPlaces(document: OpenRpcDocument): TextPlace[] {
  const places: TextPlace[] = [];
  for (const { name: method, params } of document.methods) {
    const walk = (schema: Schema, path: Path): void => {
      if (path.length > DEPTH_MAX) return;
      for (const one of alternatives(document, schema)) {
        const isFree = one.type === undefined && one.enum === undefined && one.const === undefined;
        if (isFree || isOpen(one)) places.push({ method, path, free: true });
        else if (one.type === "string" || hasText(one)) places.push({ method, path, free: false });
        else if (one.type === "array") walk((one.items ?? {}) as Schema, [...path, 0]);
        else if (one.type === "object")
          for (const [key, member] of Object.entries((one.properties ?? {}) as Record<string, Schema>))
            walk(member, [...path, key]);
      }
    };
    for (const { name, schema } of params) walk(schema as Schema, [name]);
  }
  return [...new Map(places.map((place) => [JSON.stringify(place), place])).values()];
}

const isOpen = ({ type, properties }: Schema) => type === "object" && properties === undefined;
const hasText = ({ enum: values }: Schema) =>
  Array.isArray(values) && values.some((value) => typeof value === "string");

function alternatives(document: OpenRpcDocument, schema: Schema): Schema[] {
  if (typeof schema.$ref === "string") {
    const name = schema.$ref.split("/").at(-1)!;
    return alternatives(document, document.components.schemas[name] ?? {});
  }
  const several = (schema.anyOf ?? schema.oneOf ?? schema.allOf) as Schema[] | undefined;
  return several ? several.flatMap((one) => alternatives(document, one)) : [schema];
}

/** A copy of the parameters with a value at a place, whatever stood there or on the way. */
export function placed(params: unknown, path: Path, value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (typeof step === "number") {
    const list = Array.isArray(params) ? params : [];
    return Object.assign([...list], { [step]: placed(list[step], rest, value) });
  }
  const object = typeof params === "object" && params !== null && !Array.isArray(params) ? params : {};
  return { ...object, [step]: placed((object as Record<string, unknown>)[step], rest, value) };
}

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, step) => (inner as Record<string | number, unknown> | undefined | null)?.[step],
    value,
  );
}
