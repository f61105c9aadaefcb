/** What comes from others: named whole, known by its hash, old enough, and run by nobody while it is installed. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import lock from "../../bun.lock";
import bunfig from "../../bunfig.toml";
import { closure, LOCKED, MANIFEST } from "../../scripts/lockfile.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DIRECT = { ...MANIFEST.dependencies, ...MANIFEST.devDependencies };

describe("package.json", () => {
  test("names every version whole", () => {
    for (const [name, version] of Object.entries(DIRECT))
      expect([name, version]).toEqual([name, expect.stringMatching(/^\d+\.\d+\.\d+(-[\w.]+)?$/)]);
  });

  test("has no script that installing would run", () => {
    expect(MANIFEST).not.toHaveProperty("scripts");
  });

  test("lets no package run a script of its own", () => {
    // Said, and not left out: without the list Bun trusts one of its own.
    expect(MANIFEST.trustedDependencies).toEqual([]);
  });
});

describe("bun.lock", () => {
  test("has the hash of each package, and each from the registry", () => {
    expect(LOCKED.length).toBeGreaterThan(50);
    for (const { key, version, integrity, source } of LOCKED) {
      expect([key, version]).toEqual([key, expect.stringMatching(/^\d+\.\d+\.\d+/)]);
      expect([key, integrity]).toEqual([key, expect.stringMatching(/^sha512-[A-Za-z0-9+/]{86}==$/)]);
      // Anything here would be an address: a mirror of whoever wrote the file, or a git repository.
      expect([key, source]).toEqual([key, ""]);
    }
  });

  test("is of this package.json", () => {
    const { dependencies, devDependencies } = lock.workspaces[""]!;
    expect({ ...dependencies, ...devDependencies }).toEqual(DIRECT);
    for (const [name, version] of Object.entries(DIRECT))
      expect(LOCKED.find(({ key }) => key === name)?.version).toBe(version);
  });

  test("has what runs under few licences, all of which allow it", async () => {
    const { stdout } = spawnSync(process.execPath, ["pm", "licenses", "--json", "--prod"], { cwd: ROOT });
    expect(Object.keys(JSON.parse(stdout.toString())).toSorted()).toEqual([
      "(MIT OR CC0-1.0)",
      "Apache-2.0",
      "BSD-3-Clause",
      "ISC",
      "MIT",
    ]);
  });

  test("has no more packages in what runs than are known of", () => {
    // Raise it when a package is added on purpose: each is somebody else's code with the service's rights.
    expect(closure(Object.keys(MANIFEST.dependencies)).size).toBeLessThanOrEqual(83);
  });
});

describe("installing", () => {
  test("takes no version that is younger than a week", () => {
    expect(bunfig).toEqual({ install: { exact: true, minimumReleaseAge: 7 * 24 * 3600 } });
  });

  test("follows the lock file, wherever this repository installs", () => {
    const files = ["scripts/install.sh", "Dockerfile", "Makefile", ".ci/run"];
    const lines = files.flatMap((file) => readFileSync(`${ROOT}/${file}`, "utf8").split("\n"));
    const commands = lines.filter((line) => /\b(bun(@\S*)?|npm|npx.*bun.*)"? (install|ci|add)\b/.test(line));
    expect(commands.length).toBeGreaterThanOrEqual(4);
    for (const command of commands) expect(command).toContain("--frozen-lockfile");
  });
});
