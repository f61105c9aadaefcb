import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import manifest from "../../package.json" with { type: "json" };
import { readConfig } from "../../src/config.ts";
import { PROJECT } from "./compose-file.ts";
import { execForm, parseDockerfile } from "./dockerfile.ts";
import { contextFilter } from "./dockerignore.ts";
import { stagesOf } from "./stages.ts";

const stages = stagesOf(parseDockerfile(readFileSync(`${PROJECT}/Dockerfile`, "utf8")));
const { config } = stages.at(-1)!;

describe("the Dockerfile", () => {
  test("begins each stage with the bun that the tests run on, named whole", () => {
    for (const { base } of stages) expect(base).toBe(`oven/bun:${manifest.devDependencies.bun}-slim`);
    expect(stages.length).toBeGreaterThan(1);
    expect(manifest.devDependencies.bun).toBe(Bun.version);
  });

  test("starts the service without a shell, and asks for its health without one", () => {
    expect(config.entrypoint).toEqual(["bun", "src/main.ts"]);
    expect(config.cmd).toEqual(["serve"]);
    expect(config.healthcheck?.slice(0, 2)).toEqual(["bun", "-e"]);
  });

  test("runs as a user that Kubernetes can tell is not root", () => {
    expect(config.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  test("sets an environment that the service understands, and exposes the port it listens on", () => {
    const { host, port, rowChecks } = readConfig(config.env);
    expect({ host, port, rowChecks }).toEqual({ host: "0.0.0.0", port: 8080, rowChecks: false });
    // The health check reads it from the environment.
    expect(config.env.PORT).toBe(String(port));
    expect(config.exposed).toEqual([String(port)]);
  });

  test("is labelled with what package.json says", () => {
    expect(config.labels).toMatchObject({
      "org.opencontainers.image.version": manifest.version,
      "org.opencontainers.image.description": manifest.description,
      "org.opencontainers.image.licenses": manifest.license,
    });
  });
});

test("only what the image needs goes to the build", () => {
  const taken = contextFilter(readFileSync(`${PROJECT}/.dockerignore`, "utf8"));
  for (const path of ["package.json", "bun.lock", "src/main.ts", "src/rpc/methods/task.ts", "db/migrations/1_a.sql"])
    expect([path, taken(path)]).toEqual([path, true]);
  for (const path of [
    ".env",
    ".git/config",
    ".opensqs/postgres/base/1",
    "README.md",
    "db/schema.sql",
    "node_modules/zod/package.json",
    "src/.env.local",
    "src/cli/debug.log",
    "srcs/main.ts",
    "test/containers/image.test.ts",
  ])
    expect([path, taken(path)]).toEqual([path, false]);
});

describe("reading .dockerignore", () => {
  const cases: [rules: string, path: string, taken: boolean][] = [
    ["", "a", true],
    ["a", "a/b", false],
    ["/a/", "a/b", false],
    ["a", "ab", true],
    ["*.md", "a.md", false],
    ["*.md", "b/a.md", true],
    ["**/*.md", "a.md", false],
    ["**/*.md", "b/c/a.md", false],
    ["a?c", "abc", false],
    ["a.c", "abc", true],
    ["# a\na", "a", false],
    ["*\n!a/b", "a/b/c", true],
    ["*\n!a/b", "a/c", false],
    ["!a\n*", "a", false],
  ];
  for (const [rules, path, taken] of cases)
    test(`${JSON.stringify(rules)} ${taken ? "takes" : "leaves"} ${path}`, () => {
      expect(contextFilter(rules)(path)).toBe(taken);
    });
});

describe("reading a Dockerfile", () => {
  test("joins lines, over comments too, and fills variables in", () => {
    const lines = [
      "ARG V=1",
      "FROM a:$V-b AS c",
      "ENV A=x",
      "ENV A=y \\",
      "# not here",
      '    B="z $A"',
      "RUN one \\",
      "  && two",
      "COPY --from=z p q r/",
    ];
    const [stage] = stagesOf(parseDockerfile(lines.join("\n")));
    expect(stage).toMatchObject({ base: "a:1-b", name: "c", config: { env: { A: "y", B: "z x" } } });
    expect(stage?.steps).toMatchObject([
      { kind: "run", words: ["/bin/sh", "-c", "one   && two"] },
      { kind: "copy", from: "z", sources: ["p", "q"], target: "r/" },
    ]);
  });

  test("knows the exec form from the shell form", () => {
    expect(execForm('["a", "b c"]')).toEqual(["a", "b c"]);
    expect(execForm("a b")).toBeNull();
  });

  test("refuses what it would otherwise pass over", () => {
    const refused = [
      "FROM a\nADD b c",
      "FROM a\nRUN <<END",
      "FROM a\nRUN --mount=type=cache x",
      "FROM a\nCOPY --chown=1 b c",
      "FROM a\nUSER $NOBODY",
      "FROM a:$V",
      "FROM a\nENV A b",
      "RUN a",
      "FROM a\nRUN a \\",
    ];
    for (const text of refused) expect(() => stagesOf(parseDockerfile(text))).toThrow();
  });
});
