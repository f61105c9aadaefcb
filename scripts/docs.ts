/**
 * Prints the parts of the documentation that the code knows best: the configuration table (README.md), the states
 * (docs/architecture.md) and every method (docs/api.md). With --check it only compares, and fails where a file is stale.
 */
import { z } from "zod";
import { CONFIG_VARIABLES } from "../src/config.ts";
import { REFUSALS } from "../src/domain/refusals.ts";
import { LIFECYCLE } from "../src/domain/task/lifecycle.ts";
import { ApiKey, Member } from "../src/rpc/access-shapes.ts";
import { scopesOf } from "../src/rpc/authorise.ts";
import type { Method } from "../src/rpc/method.ts";
import { METHODS } from "../src/rpc/methods/index.ts";
import { Schedule } from "../src/rpc/schedule-shapes.ts";
import {
  Attempt,
  Category,
  CategoryTree,
  Claimed,
  Project,
  Queue,
  QueueStats,
  TagOut,
  Task,
  Worker,
  Workflow,
} from "../src/rpc/shapes.ts";

type Schema = { [key: string]: unknown } & {
  type?: string | string[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  format?: string;
  default?: unknown;
  description?: string;
};

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

function configuration(): string {
  return table(
    ["variable", "default", "meaning"],
    CONFIG_VARIABLES.map((one) => [`\`${one.name}\``, one.default === "" ? "–" : one.default, one.meaning]),
  );
}

function lifecycle(): string {
  const moves = Object.entries(LIFECYCLE) as [
    string,
    { from: readonly string[]; to: readonly string[]; guard: string },
  ][];
  const arrows = moves.flatMap(([action, { from, to }]) =>
    (from.length === 0 ? ["[*]"] : from).flatMap((start) => to.map((end) => `  ${start} --> ${end}: ${action}`)),
  );
  const rows = moves.map(([action, { from, to, guard }]) => [action, from.join(", ") || "–", to.join(", "), guard]);
  return ["```mermaid", "stateDiagram-v2", ...arrows, "```", "", table(["action", "from", "to", "guard"], rows)].join(
    "\n",
  );
}

/** The members of an object with their types, for the top of an answer. */
function membersText(schema: Schema): string {
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return options.map(membersText).join(" or ");
  if (!schema.properties) return typeText(schema);
  return `{${Object.entries(schema.properties)
    .map(([name, member]) => `${name}: ${typeText(member)}`)
    .join(", ")}}`;
}

/** A schema in the words of api.md: `string`, `integer 1–1000`, `"a" | "b"`, `[Task]`. */
function typeText(schema: Schema): string {
  if (typeof schema.$ref === "string") return schema.$ref.split("/").at(-1)!;
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return [...new Set(options.map(typeText))].join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" ");
  if (schema.format === "date-time") return "time";
  if (schema.type === "array") return `[${typeText(schema.items ?? {})}]`;
  if (schema.type === "object" && schema.properties) return `{${Object.keys(schema.properties).join(", ")}}`;
  const { minimum, maximum } = schema as { minimum?: number; maximum?: number };
  const range = maximum !== undefined && maximum < 1e9 ? ` ${minimum ?? 0}–${maximum}` : "";
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type;
  return `${type ?? "any JSON value"}${schema.type === "integer" || schema.type === "number" ? range : ""}`;
}

function scopeText(method: Method): string {
  const scopes = scopesOf(method).map((scope) => `\`${scope}\``);
  if (scopes.length === 0) return "Scope: any.";
  return `Scope: ${scopes.join(" or ")}${wholeServiceText(method)}.`;
}

/** Who is asked for a scope over the whole service whatever the parameters are, is asked for it without any. */
function wholeServiceText({ everywhere }: Method): string {
  if (!everywhere) return "";
  return everywhere({}) ? " over the whole service" : "; for some of its parameters, over the whole service";
}

function methodText(method: Method): string {
  const params = z.toJSONSchema(method.params, { io: "input", unrepresentable: "any" }) as Schema;
  const result = z.toJSONSchema(method.result, { io: "output", unrepresentable: "any" }) as Schema;
  const rows = Object.entries(params.properties ?? {}).map(([name, schema]) => [
    `\`${name}\`${params.required?.includes(name) && schema.default === undefined ? "*" : ""}`,
    typeText(schema),
    [schema.default === undefined ? "" : `Default ${JSON.stringify(schema.default)}.`, schema.description ?? ""]
      .join(" ")
      .trim(),
  ]);
  return [
    `### ${method.name}`,
    "",
    method.summary,
    "",
    table(["parameter", "type", ""], rows),
    "",
    scopeText(method),
    "",
    `Answers \`${membersText(result)}\`.${method.refusals.length > 0 ? ` May refuse with ${method.refusals.join(", ")}.` : ""}`,
  ].join("\n");
}

const SHAPES = {
  Task,
  Claimed,
  Member,
  ApiKey,
  Attempt,
  Queue,
  QueueStats,
  Worker,
  Workflow,
  Project,
  Tag: TagOut,
  Category,
  CategoryTree,
  Schedule,
};

function shapeText(name: string, schema: z.ZodType): string {
  const whole = z.toJSONSchema(schema, { unrepresentable: "any" }) as Schema & { $defs?: Record<string, Schema> };
  const { properties = {} } = whole.$defs?.[name] ?? whole;
  const rows = Object.entries(properties).map(([field, member]) => [`\`${field}\``, typeText(member)]);
  return [`### ${name}`, "", table(["field", "type"], rows)].join("\n");
}

function api(): string {
  const refusals = Object.entries(REFUSALS).map(([type, { code, message }]) => [String(code), `\`${type}\``, message]);
  return [
    "# The methods of openSQS",
    "",
    "Made from the schemas that the service checks calls by (`make docs`); `rpc.discover` and `/openrpc.json` say the same to programs.",
    "Parameters are given by name, `*` marks those that must be; unknown ones are refused. Times are ISO 8601, durations seconds.",
    "",
    ...(METHODS as readonly unknown[] as readonly Method[]).flatMap((method) => [methodText(method), ""]),
    "## Shapes",
    "",
    ...Object.entries(SHAPES).flatMap(([name, schema]) => [shapeText(name, schema), ""]),
    "## Refusals",
    "",
    "Beside the errors of JSON-RPC 2.0 itself (−32700 to −32603). `data.type` holds the type.",
    "",
    table(["code", "type", "message"], refusals),
    "",
  ].join("\n");
}

/** Puts text between the marks `<!-- name -->` and `<!-- /name -->` of a file. */
function between(file: string, name: string, text: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const from = file.indexOf(start);
  const to = file.indexOf(end);
  if (from < 0 || to < from) throw new Error(`The marks ${start} and ${end} are missing.`);
  return `${file.slice(0, from + start.length)}\n${text}\n${file.slice(to)}`;
}

const read = (path: string) => Bun.file(path).text();
const made: Record<string, string> = {
  "README.md": between(await read("README.md"), "configuration", configuration()),
  "docs/architecture.md": between(await read("docs/architecture.md"), "lifecycle", lifecycle()),
  "docs/api.md": api(),
};

let stale = false;
for (const [path, text] of Object.entries(made)) {
  if ((await Bun.file(path).exists()) && (await read(path)) === text) continue;
  if (process.argv.includes("--check")) {
    console.error(`${path} is stale: run make docs`);
    stale = true;
  } else await Bun.write(path, text);
}
process.exit(stale ? 1 : 0);
