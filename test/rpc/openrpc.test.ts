import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { METHODS } from "../../src/rpc/methods/index.ts";
import { describeService, type OpenRpcDocument } from "../../src/rpc/openrpc.ts";
import { request, stubMethod, stubService } from "./stub-service.ts";

// What the OpenRPC 1.3.2 meta-schema asks of the parts that we use, written down by hand; strict, as that schema is.
const Reference = z.strictObject({ $ref: z.string().startsWith("#/components/") });
const Schema = z.record(z.string(), z.unknown());
const ContentDescriptor = z.strictObject({
  name: z.string().min(1),
  description: z.string().optional(),
  summary: z.string().optional(),
  required: z.boolean().optional(),
  schema: Schema,
});
const ErrorObject = z.strictObject({ code: z.int(), message: z.string(), data: z.unknown() });
const Document = z.strictObject({
  openrpc: z.literal("1.3.2"),
  info: z.strictObject({
    title: z.string(),
    description: z.string(),
    version: z.string(),
    license: z.strictObject({ name: z.string() }),
  }),
  methods: z.array(
    z.strictObject({
      name: z.string().min(1),
      summary: z.string(),
      paramStructure: z.enum(["by-name", "by-position", "either"]),
      params: z.array(ContentDescriptor),
      result: ContentDescriptor,
      errors: z.array(Reference),
      "x-changing": z.boolean(),
      "x-scopes": z.array(z.string()),
    }),
  ),
  components: z.strictObject({ schemas: z.record(z.string(), Schema), errors: z.record(z.string(), ErrorObject) }),
});

function everyReference(part: unknown): string[] {
  if (typeof part !== "object" || part === null) return [];
  return Object.entries(part).flatMap(([key, value]) =>
    key === "$ref" && typeof value === "string" ? [value] : everyReference(value),
  );
}

function lookUp(document: OpenRpcDocument, reference: string): unknown {
  let part: unknown = document;
  for (const step of reference.replace("#/", "").split("/")) part = (part as Record<string, unknown>)[step];
  return part;
}

interface Tree {
  name: string;
  children: Tree[];
}
const Tree: z.ZodType<Tree> = z.strictObject({ name: z.string(), children: z.array(z.lazy(() => Tree)) });
const List: z.ZodType = z.array(z.lazy(() => List));
const Thing = z.strictObject({ id: z.uuid(), trees: z.array(Tree) }).meta({ id: "Thing" });

const stubs = [
  stubMethod(
    "thing.make",
    z.strictObject({
      note: z.string().optional().describe("A word or two."),
      queue: z.string(),
      limit: z.int().min(1).default(10),
      payload: z.custom<object>().meta({ type: "object", description: "Any JSON object." }),
      at: z.iso
        .datetime()
        .transform((text) => new Date(text))
        .optional(),
    }),
    () => null,
    { changing: true, refusals: ["not_found"], result: Thing },
  ),
  stubMethod("thing.list", z.strictObject({}), () => null, { result: z.strictObject({ things: z.array(Thing) }) }),
  stubMethod("tree.get", z.strictObject({ in: List.optional() }), () => null, { result: Tree }),
];

describe.each([
  ["stubs", stubs],
  ["the service's own methods", METHODS],
])("the document of %s", (_name, methods) => {
  const { document } = describeService(methods, "1.2.3");

  test("is what OpenRPC 1.3 asks for", () => {
    Document.parse(JSON.parse(JSON.stringify(document)));
  });
  test("has each method once, rpc.discover too", () => {
    const names = document.methods.map(({ name }) => name);
    expect(names).toEqual([...methods.map(({ name }) => name), "rpc.discover"]);
    expect(new Set(names).size).toBe(names.length);
  });
  test("has no reference that leads nowhere", () => {
    for (const reference of everyReference(document)) expect(lookUp(document, reference), reference).toBeDefined();
  });
  test("names each parameter once in its method, the required ones first", () => {
    for (const { params } of document.methods) {
      expect(new Set(params.map(({ name }) => name)).size).toBe(params.length);
      const firstOptional = params.findIndex(({ required }) => !required);
      if (firstOptional !== -1) expect(params.slice(firstOptional).some(({ required }) => required)).toBe(false);
    }
  });
});

describe("a method's description", () => {
  const { document } = describeService(stubs, "1.2.3");
  const [make, list, tree] = document.methods;

  test("tells its parameters as a caller sends them", () => {
    expect(make).toMatchObject({ name: "thing.make", summary: "The stub thing.make.", paramStructure: "by-name" });
    expect(make?.params).toEqual([
      { name: "queue", required: true, schema: { type: "string" } },
      {
        name: "payload",
        required: true,
        description: "Any JSON object.",
        schema: { type: "object", description: "Any JSON object." },
      },
      {
        name: "note",
        required: false,
        description: "A word or two.",
        schema: { type: "string", description: "A word or two." },
      },
      {
        name: "limit",
        required: false,
        schema: { type: "integer", minimum: 1, maximum: 9007199254740991, default: 10 },
      },
      { name: "at", required: false, schema: expect.objectContaining({ type: "string", format: "date-time" }) },
    ]);
  });
  test("tells its refusals: its own, those of any call, and conflict if it changes something", () => {
    const refusals = (one: typeof make) => one?.errors.map(({ $ref }) => $ref.replace("#/components/errors/", ""));
    const common = ["overloaded", "unavailable", "unauthenticated", "forbidden", "rate_limited"];
    expect(refusals(make)).toEqual(["not_found", "conflict", ...common]);
    expect(refusals(list)).toEqual(common);
    expect(document.components.errors.not_found).toEqual({
      code: 1001,
      message: "Not found.",
      data: { type: "not_found" },
    });
  });
  test("shares a schema that has a name, and one that contains itself", () => {
    expect(make?.result.schema).toEqual({ $ref: "#/components/schemas/Thing" });
    expect(list?.result.schema).toMatchObject({
      properties: { things: { items: { $ref: "#/components/schemas/Thing" } } },
    });
    expect(everyReference(tree?.result.schema)).toHaveLength(1);
  });
});

test("parameters that are no object are a mistake in the table", () => {
  expect(() => describeService([stubMethod("odd", z.string(), () => null)], "1")).toThrow("odd");
});

test("rpc.discover answers the document, its own entry in it", async () => {
  const { document, discover } = describeService(stubs, "1.2.3");
  const { answer } = stubService([...stubs, discover]);
  expect(await answer(request("rpc.discover"))).toEqual({
    jsonrpc: "2.0",
    result: JSON.parse(JSON.stringify(document)),
    id: 1,
  });
});
