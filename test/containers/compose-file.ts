import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";

export const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

const Health = z.looseObject({
  disable: z.boolean().default(false),
  test: z.array(z.string()).default([]),
});

const Service = z.looseObject({
  image: z.string(),
  build: z.string().optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  healthcheck: Health.default({ disable: false, test: [] }),
  networks: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  restart: z.string().optional(),
  stop_grace_period: z.string().optional(),
  read_only: z.boolean().default(false),
  tmpfs: z.array(z.string()).default([]),
  cap_drop: z.array(z.string()).default([]),
  security_opt: z.array(z.string()).default([]),
});

/** The forms that our own file uses, of the many that the specification allows. */
const ComposeFile = z.looseObject({
  services: z.object({ postgres: Service, migrate: Service, app: Service }),
  networks: z.record(z.string(), z.looseObject({ internal: z.boolean().default(false) }).nullable()),
  volumes: z.record(z.string(), z.unknown()),
});

export type ComposeFile = z.output<typeof ComposeFile>;
export type Service = z.output<typeof Service>;

export const COMPOSE_TEXT = readFileSync(`${PROJECT}/docker-compose.yml`, "utf8");

/** The file as the specification's schema sees it: variables filled in from `env`, every key there. */
export function composeDocument(env: Readonly<Record<string, string>> = {}): unknown {
  return interpolated(Bun.YAML.parse(COMPOSE_TEXT), env);
}

/** The same with types, of what the tests look at. */
export function composeFile(env: Readonly<Record<string, string>> = {}): ComposeFile {
  return ComposeFile.parse(composeDocument(env));
}

function interpolated(value: unknown, env: Readonly<Record<string, string>>): unknown {
  if (typeof value === "string") return fillIn(value, env);
  if (Array.isArray(value)) return value.map((item) => interpolated(item, env));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolated(item, env)]));
}

/** Compose knows more forms; ours is `${NAME:-default}` only, so that nothing must be set before the first start. */
function fillIn(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:\{(\w+):-([^${}]*)\})?/g, (_, name?: string, fallback?: string) => {
    if (name === undefined) throw new Error(`Not in the form \${NAME:-default}: ${text}`);
    return env[name] || (fallback ?? "");
  });
}
