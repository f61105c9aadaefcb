/**
 * Parameters for any method, made from what rpc.discover says of it: tests that must hold for every method get the new ones
 * by themselves. What this file does not know it refuses, with the place where it is to be said.
 */
import type { OpenRpcDocument } from "../../src/rpc/openrpc.ts";

type Schema = Record<string, unknown>;

/** What a parameter names, or a value by which something is found. */
export type Kind =
  | "task"
  | "receipt"
  | "workflow"
  | "key"
  | "worker"
  | "queue"
  | "project"
  | "tag"
  | "category"
  | "schedule"
  | "taskName"
  | "workflowName"
  | "workflowKey"
  | "keyName"
  | "owner"
  | "dedupeKey"
  | "requestId"
  | "cursor"
  | "text"
  | "payload"
  | "user";

/** By a parameter's name, and where that says too little by its method's noun as well. */
const KINDS: Readonly<Record<string, Kind | Readonly<Record<string, Kind>>>> = {
  id: { task: "task", workflow: "workflow", apiKey: "key", worker: "worker" },
  name: {
    task: "taskName",
    queue: "queue",
    project: "project",
    tag: "tag",
    category: "category",
    schedule: "schedule",
    workflow: "workflowName",
    apiKey: "keyName",
  },
  newName: { project: "project", tag: "tag", category: "category" },
  names: "taskName",
  receipt: "receipt",
  receipts: "receipt",
  queue: "queue",
  queues: "queue",
  project: "project",
  tags: "tag",
  prefix: "tag",
  category: "category",
  categories: "category",
  parent: "category",
  root: "category",
  worker: "worker",
  key: "workflowKey",
  dependsOn: { task: "task", workflow: "workflowKey" },
  ownerId: "owner",
  dedupeKey: "dedupeKey",
  requestId: "requestId",
  cursor: "cursor",
  text: "text",
  payload: "payload",
  userId: "user",
};

/** Parameters that name nothing, and of which the schema alone does not tell a valid value. */
const VALUES: Readonly<Record<string, unknown>> = {
  description: "described",
  reason: "reason",
  message: "message",
  code: "code",
  data: 1,
  result: 1,
  note: "note",
  colour: "#102030",
  cron: "0 0 1 1 *",
  timezone: "UTC",
};

/** Optional parameters that a method wants for a reason its schema does not tell; each unless others are given. */
const WANTED: Readonly<Record<string, { readonly path: string; readonly unless?: string }>> = {
  "task.claim": { path: "queue", unless: "queues" },
  "task.enqueueMany": { path: "queue" },
  "workflow.create": { path: "queue" },
  "workflow.add": { path: "queue" },
  "schedule.create": { path: "cron" },
  "schedule.next": { path: "cron", unless: "name" },
};

const ADD = "add it in test/access/params.ts";

/** A place for a single value, such as `tasks[].dependsOn[]`. */
export interface Leaf {
  readonly path: string;
  /** Null where it names nothing. */
  readonly kind: Kind | null;
  readonly schema: Schema;
}

/** Where the values for a call come from. */
export type Give = (kind: Kind, method: string, path: string) => unknown;

/** All methods of a document, with the places for values, and a way to make parameters. */
export class Methods {
  readonly #document: OpenRpcDocument;

  constructor(document: OpenRpcDocument) {
    this.#document = document;
  }

  get names(): string[] {
    return this.#document.methods.map(({ name }) => name);
  }

  scopesOf(method: string): readonly string[] {
    return this.#of(method)["x-scopes"];
  }

  leaves(method: string): Leaf[] {
    return this.#of(method).params.flatMap(({ name, schema }) => this.#leavesIn(method, name, name, schema));
  }

  /** Parameters that fit the schema: what is required, and what is given by its path. Of lists the last one is given. */
  params(method: string, give: Give, given: ReadonlyMap<string, unknown> = new Map()): Record<string, unknown> {
    const wanted = WANTED[method];
    const isWanted = (path: string) => path === wanted?.path && !(wanted.unless && isGiven(wanted.unless));
    const isGiven = (path: string) =>
      [...given.keys()].some((one) => one === path || one.startsWith(`${path}.`) || one.startsWith(`${path}[]`));

    const make = (path: string, name: string, raw: Schema, fresh: boolean): unknown => {
      if (!fresh && given.has(path)) return given.get(path);
      const schema = this.#pick(raw);
      if (schema.type === "array") {
        const items = schema.items as Schema;
        const others = Number(schema.minItems ?? 0) > 0 || isGiven(path) ? [make(`${path}[]`, name, items, true)] : [];
        return !fresh && isGiven(path) ? [...others, make(`${path}[]`, name, items, false)] : others;
      }
      if (schema.properties) return object(`${path}.`, schema, fresh);
      return this.#value(method, path, name, schema, give);
    };
    const object = (prefix: string, schema: Schema, fresh: boolean) => {
      const required = new Set((schema.required as string[] | undefined) ?? []);
      const entries = Object.entries(schema.properties as Record<string, Schema>).flatMap(([name, inner]) => {
        const path = prefix + name;
        if (!required.has(name) && !isWanted(path) && (fresh || !isGiven(path))) return [];
        return [[name, make(path, name, inner, fresh)] as const];
      });
      return Object.fromEntries(entries);
    };
    const { params } = this.#of(method);
    const required = params.filter((one) => one.required).map(({ name }) => name);
    const properties = Object.fromEntries(params.map(({ name, schema }) => [name, schema]));
    return object("", { properties, required }, false);
  }

  #of(method: string) {
    const found = this.#document.methods.find(({ name }) => name === method);
    if (!found) throw new Error(`There is no method ${method}.`);
    return found;
  }

  #leavesIn(method: string, path: string, name: string, raw: Schema): Leaf[] {
    const schema = this.#pick(raw);
    if (schema.type === "array") return this.#leavesIn(method, `${path}[]`, name, schema.items as Schema);
    if (schema.properties)
      return Object.entries(schema.properties as Record<string, Schema>).flatMap(([inner, one]) =>
        this.#leavesIn(method, `${path}.${inner}`, inner, one),
      );
    return [{ path, schema, kind: kindOf(method, path, name, schema) }];
  }

  /** What a reference means, and of alternatives the first that is more than null. */
  #pick(schema: Schema): Schema {
    if (typeof schema.$ref === "string")
      return this.#pick(this.#document.components.schemas[schema.$ref.split("/").at(-1)!]!);
    const alternatives = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined;
    return alternatives ? this.#pick(alternatives.find(({ type }) => type !== "null")!) : schema;
  }

  #value(method: string, path: string, name: string, schema: Schema, give: Give): unknown {
    const kind = kindOf(method, path, name, schema);
    if (kind !== null) return give(kind, method, path);
    if (Array.isArray(schema.enum)) return schema.enum[0];
    if (schema.type === "boolean") return false;
    if (schema.type === "integer" || schema.type === "number") return schema.minimum ?? 1;
    if (schema.format === "date-time") return "2030-01-01T00:00:00.000Z";
    if (GLOB.test(String(schema.pattern))) return "*";
    return VALUES[name];
  }
}

const GLOB = /\*\?/;

function kindOf(method: string, path: string, name: string, schema: Schema): Kind | null {
  if (schema.enum || schema.format === "date-time") return null;
  if (["boolean", "integer", "number", "null"].includes(String(schema.type))) return null;
  if (GLOB.test(String(schema.pattern)) || name in VALUES) return null;
  // A name within another parameter is that of the task there.
  if (name === "name" && path !== "name") return "taskName";
  const entry = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  const kind = typeof entry === "object" ? entry[method.split(".")[0]!] : entry;
  if (kind === undefined)
    throw new Error(`${method} has a parameter ${path}: what does it name? (KINDS, VALUES): ${ADD}`);
  return kind;
}
