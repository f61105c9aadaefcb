import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { CONFIG_VARIABLES, readConfig } from "../../src/config.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { createOriginCheck } from "../../src/rpc/origin.ts";
import { COMPOSE_TEXT, composeDocument, composeFile, PROJECT } from "./compose-file.ts";
import schema from "./compose-spec/schema.json" with { type: "json" };
import { parseDockerfile } from "./dockerfile.ts";
import { stagesOf } from "./stages.ts";

const specification = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0], { defaultTarget: "draft-7" });
const { services, networks, volumes } = composeFile();
const { postgres, migrate, app } = services;
const image = stagesOf(parseDockerfile(readFileSync(`${PROJECT}/Dockerfile`, "utf8"))).at(-1)!.config;

/** A deep copy of the file with the value at `path` replaced; the last key may be new. */
function changed(path: string, value: unknown): unknown {
  const document = composeDocument();
  const keys = path.split("/");
  const last = keys.pop()!;
  const place = keys.reduce((inner, key) => (inner as Record<string, unknown>)[key], document);
  (place as Record<string, unknown>)[last] = value;
  return document;
}

describe("the schema of the Compose Specification", () => {
  test("is met, whatever is set", () => {
    for (const env of [{}, { OPENSQS_PORT: "9000", OPENSQS_BIND: "0.0.0.0", POSTGRES_PASSWORD: "x" }]) {
      const { error } = specification.safeParse(composeDocument(env));
      expect(error?.issues ?? []).toEqual([]);
    }
  });

  // Else the test above would say nothing.
  const mistakes: [path: string, value: unknown][] = [
    ["service", {}],
    ["services/app/healthchek", {}],
    ["services/app/healthcheck/tests", ["CMD", "true"]],
    ["services/app/healthcheck/retries", {}],
    ["services/app/depends_on/migrate/condition", "service_finished"],
    ["services/app/depends_on/migrate", {}],
    ["services/app/ports", "8080:8080"],
    ["services/app/cap_drop", "ALL"],
    ["services/app/environment/LOG_LEVEL", ["info"]],
    ["services/app/stop_grace_period", 15],
    ["services/app/restart", true],
    ["services/migrate/image", 18],
    ["services/postgres/volumes", { postgres: "/var/lib/postgresql" }],
    ["networks/database/intern", true],
    ["volumes/postgres", "here"],
  ];
  for (const [path, value] of mistakes)
    test(`would refuse ${path}: ${JSON.stringify(value)}`, () => {
      expect(specification.safeParse(changed(path, value)).success).toBe(false);
    });
});

describe("the start", () => {
  test("goes from a healthy PostgreSQL over finished migrations to the service", () => {
    expect(migrate.depends_on).toEqual({ postgres: { condition: "service_healthy" } });
    expect(app.depends_on).toEqual({
      postgres: { condition: "service_healthy" },
      migrate: { condition: "service_completed_successfully" },
    });
    expect(postgres.healthcheck.test).toContainValues(["pg_isready", "--host=127.0.0.1"]);
    expect(postgres.healthcheck.disable).toBe(false);
  });

  test("migrates once, in the service that is there for it", () => {
    expect(migrate.command).toEqual(["migrate"]);
    expect(migrate.healthcheck.disable).toBe(true);
    expect(migrate.restart).toBe("no");
    expect(app.command).toBeUndefined();
    expect(readConfig(app.environment).migrateOnStart).toBe(false);
  });

  test("builds one image, asks no registry for it, and names every other image by version", () => {
    for (const service of [migrate, app])
      expect(service).toMatchObject({ build: ".", image: app.image, pull_policy: "build" });
    for (const { image } of Object.values(services)) expect(image).toMatch(/:(?!latest).+$/);
  });

  test("comes back by itself after a crash or a reboot", () => {
    for (const { restart } of [postgres, app]) expect(restart).toBe("unless-stopped");
  });
});

describe("PostgreSQL", () => {
  test("is 18, with its volume where that image looks for it", () => {
    expect(postgres.image).toMatch(/^postgres:18(-|$)/);
    expect(postgres.volumes).toEqual(["postgres:/var/lib/postgresql"]);
    expect(Object.keys(volumes)).toEqual(["postgres"]);
  });

  for (const env of [{}, { POSTGRES_PASSWORD: "S3cret-one" }])
    test(`is reached under the names it is set up with, ${JSON.stringify(env)}`, () => {
      const { postgres, migrate, app } = composeFile(env).services;
      expect(migrate.environment.DATABASE_URL).toBe(app.environment.DATABASE_URL!);
      const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = postgres.environment;
      expect(parseDatabaseUrl(app.environment.DATABASE_URL!)).toMatchObject({
        host: "postgres",
        port: 5432,
        user: POSTGRES_USER,
        password: POSTGRES_PASSWORD,
        database: POSTGRES_DB,
        sslMode: "disable",
      });
      expect(POSTGRES_PASSWORD).toBe(env.POSTGRES_PASSWORD ?? "opensqs-local");
    });

  test("is on a network that leads nowhere, with the service alone", () => {
    expect(networks.database?.internal).toBe(true);
    for (const service of [postgres, migrate]) expect(service.networks).toEqual(["database"]);
    expect(app.networks.toSorted()).toEqual(["database", "default"]);
  });
});

describe("the service", () => {
  test("may do nothing that it need not", () => {
    for (const service of [migrate, app])
      expect(service).toMatchObject({
        read_only: true,
        tmpfs: ["/tmp"],
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges:true"],
        init: true,
      });
  });

  test("understands its environment", () => {
    const names = CONFIG_VARIABLES.map(({ name }) => name);
    for (const { environment } of [migrate, app]) {
      for (const name of Object.keys(environment)) expect(names).toContain(name);
      expect(() => readConfig({ ...image.env, ...environment })).not.toThrow();
    }
  });

  test("lets nobody in without a key, and has none that is known", () => {
    const config = (env: Record<string, string>) =>
      readConfig({ ...image.env, ...composeFile(env).services.app.environment });
    expect(config({})).toMatchObject({ auth: true, allowInsecure: false, adminKey: null, authSecret: null });
    expect(config({ ADMIN_KEY: "sixteen-letters-" }).adminKey).toBe("sixteen-letters-");
    // Its image alone, too.
    expect(readConfig(image.env)).toMatchObject({ auth: true, adminKey: null });
    expect(COMPOSE_TEXT + Object.entries(image.env)).not.toContain("ALLOW_INSECURE");
    // Who migrates needs no key.
    expect(Object.keys(composeFile({}).services.migrate.environment)).toEqual(["DATABASE_URL"]);
  });

  test("is published on this machine only, unless told otherwise", () => {
    expect(app.ports).toEqual(["127.0.0.1:8080:8080"]);
    for (const service of [postgres, migrate]) expect(service.ports).toEqual([]);
    const told = composeFile({ OPENSQS_BIND: "0.0.0.0", OPENSQS_PORT: "9000" }).services.app;
    expect(told.ports).toEqual(["0.0.0.0:9000:8080"]);
  });

  test("answers to the names that its callers use, and to no other", () => {
    const hosts = (env: Record<string, string>) => {
      const { allowedHosts, port } = readConfig({ ...image.env, ...composeFile(env).services.app.environment });
      const isOurs = createOriginCheck({ port, hosts: allowedHosts, origins: [], publicUrl: null });
      return (host: string) => isOurs(new Request(`http://${host}/rpc`, { headers: { host } })) !== null;
    };
    const byDefault = hosts({});
    for (const host of ["app:8080", "127.0.0.1:8080", "localhost:8080"]) expect(byDefault(host)).toBe(true);
    for (const host of ["app", "example.com", "localhost:9000"]) expect(byDefault(host)).toBe(false);

    const elsewhere = hosts({ OPENSQS_PORT: "9000", ALLOWED_HOSTS: "queue.example.com" });
    for (const host of ["app:8080", "127.0.0.1:9000", "localhost:9000", "queue.example.com"])
      expect(elsewhere(host)).toBe(true);
  });

  test("is given longer to stop than it gives its calls", () => {
    const seconds = Number(/^(\d+)s$/.exec(app.stop_grace_period ?? "")?.[1]);
    expect(seconds).toBeGreaterThan(readConfig(app.environment).shutdownSeconds);
  });
});

test("every variable that can be set is explained at the top", () => {
  const head = COMPOSE_TEXT.slice(0, COMPOSE_TEXT.indexOf("\nname:"));
  for (const [, name] of COMPOSE_TEXT.matchAll(/\$\{(\w+)/g)) expect(head).toContain(`#   ${name} `);
});
