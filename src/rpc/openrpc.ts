import { z } from "zod";
import type { Scope } from "../domain/access/scopes.ts";
import { REFUSALS, type RefusalType } from "../domain/refusals.ts";
import { scopesOf } from "./authorise.ts";
import { refusalsOf } from "./errors.ts";
import { type Method, method } from "./method.ts";

type JsonSchema = Record<string, unknown>;

/** A parameter or a result in OpenRPC's words. */
interface ContentDescriptor {
  name: string;
  description?: string;
  required?: boolean;
  schema: JsonSchema;
}

interface MethodDocument {
  name: string;
  summary: string;
  paramStructure: "by-name";
  params: ContentDescriptor[];
  result: ContentDescriptor;
  errors: { $ref: string }[];
  /** Whether the method changes something; such a method takes `requestId`. */
  "x-changing": boolean;
  /** The scopes one of which a caller needs; none where any credential will do. */
  "x-scopes": readonly Scope[];
}

/** An OpenRPC 1.3 document, as far as it is used here. Schemas are JSON Schema draft 7, which that version asks for. */
export interface OpenRpcDocument {
  openrpc: "1.3.2";
  info: { title: string; description: string; version: string; license: { name: string } };
  methods: MethodDocument[];
  components: {
    schemas: Record<string, JsonSchema>;
    errors: Record<string, { code: number; message: string; data: { type: string } }>;
  };
}

/** The service's description of itself, made from its method table, and the method that answers it. */
export interface SelfDescription {
  document: OpenRpcDocument;
  discover: Method;
}

/** Describes every method given, and rpc.discover. Throws if a method's parameters are not one object. */
export function describeService(methods: readonly Method[], version: string): SelfDescription {
  // The method is in the document that it answers: it is made first, and answers what is made of it.
  const discover = discoverMethod(() => document);
  const document = createDocument([...methods, discover], version);
  return { document, discover };
}

function discoverMethod(document: () => OpenRpcDocument): Method {
  return method({
    name: "rpc.discover",
    summary: "Describes this service: an OpenRPC 1.3 document.",
    params: z.strictObject({}),
    result: z.looseObject({ openrpc: z.string() }),
    changing: false,
    scope: null,
    refusals: [],
    run: async () => ({ ...document() }),
  });
}

function createDocument(methods: readonly Method[], version: string): OpenRpcDocument {
  const { schemas, schemaOf } = convertSchemas(methods);
  return {
    openrpc: "1.3.2",
    info: {
      title: "openSQS",
      description: "A durable task queue over JSON-RPC 2.0. Parameters are given by name; unknown ones are refused.",
      version,
      license: { name: "MIT" },
    },
    methods: methods.map((each) => ({
      name: each.name,
      summary: each.summary,
      paramStructure: "by-name",
      params: describeParams(each.name, schemaOf(paramsKey(each))),
      result: { name: `${each.name}.result`, schema: schemaOf(resultKey(each)) },
      errors: [...refusalsOf(each)].map((type) => ({ $ref: `#/components/errors/${type}` })),
      "x-changing": each.changing,
      "x-scopes": scopesOf(each),
    })),
    components: { schemas, errors: describeErrors() },
  };
}

function describeErrors(): OpenRpcDocument["components"]["errors"] {
  const types = Object.keys(REFUSALS) as RefusalType[];
  return Object.fromEntries(types.map((type) => [type, { ...REFUSALS[type], data: { type } }]));
}

const paramsKey = (each: Method): string => `${each.name}:params`;
const resultKey = (each: Method): string => `${each.name}:result`;

/**
 * All schemas are converted as one, so that what they share, by an id or by recursion, gets one name in all of them. Zod
 * puts these under "definitions"; in an OpenRPC document references count from the document's root, so they move.
 */
function convertSchemas(methods: readonly Method[]) {
  const shape = methods.flatMap((each) => [
    [paramsKey(each), each.params] as const,
    [resultKey(each), each.result] as const,
  ]);
  const converted = z.toJSONSchema(z.strictObject(Object.fromEntries(shape)), {
    target: "draft-07",
    io: "input",
    unrepresentable: "any",
  });
  const { properties = {}, definitions = {} } = moveReferences(converted) as {
    properties?: Record<string, JsonSchema>;
    definitions?: Record<string, JsonSchema>;
  };
  const schemaOf = (key: string): JsonSchema => {
    const schema = properties[key] ?? {};
    return typeof schema.$ref === "string" && key.endsWith(":params")
      ? (definitions[schema.$ref.slice(REFERENCE.length)] ?? {})
      : schema;
  };
  return { schemas: definitions, schemaOf };
}

const REFERENCE = "#/components/schemas/";

/** A copy of a JSON Schema whose references to "#/definitions/" lead to "#/components/schemas/". */
function moveReferences(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(moveReferences);
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      key === "$ref" && typeof value === "string"
        ? value.replace(/^#\/definitions\//, REFERENCE)
        : moveReferences(value),
    ]),
  );
}

/** OpenRPC lists parameters one by one; ours are the properties of one object. */
function describeParams(name: string, schema: JsonSchema): ContentDescriptor[] {
  if (schema.type !== "object") throw new Error(`The parameters of ${name} are not one object.`);
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  return Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>)
    .map(([param, described]) => describeParam(param, described, required.has(param)))
    .sort((a, b) => Number(b.required) - Number(a.required));
}

function describeParam(name: string, schema: JsonSchema, required: boolean): ContentDescriptor {
  const { description } = schema;
  return { name, ...(typeof description === "string" && { description }), required, schema };
}
