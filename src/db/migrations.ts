import { readdir } from "node:fs/promises";

/** One file of db/migrations. */
export interface Migration {
  /** The digits that its file's name begins with; dbmate keeps them in table schema_migrations. */
  readonly version: string;
  readonly file: string;
}

export interface MigrationStatus {
  readonly applied: readonly Migration[];
  readonly pending: readonly Migration[];
  /** Applied by a newer release of the service: there is no file for them here. */
  readonly unknown: readonly string[];
}

/** The migrations of a folder, oldest first. */
export async function listMigrations(folder: string): Promise<Migration[]> {
  const files = await readdir(folder);
  return files
    .flatMap((file) => {
      // dbmate's own rule for what is a migration.
      const version = /^(\d+).*\.sql$/.exec(file)?.[1];
      return version === undefined ? [] : [{ version, file }];
    })
    .sort((one, other) => (one.file < other.file ? -1 : 1));
}

/** `appliedVersions`: what schema_migrations holds. */
export function compareMigrations(all: readonly Migration[], appliedVersions: readonly string[]): MigrationStatus {
  const versions = new Set(appliedVersions);
  const known = new Set(all.map((migration) => migration.version));
  return {
    applied: all.filter((migration) => versions.has(migration.version)),
    pending: all.filter((migration) => !versions.has(migration.version)),
    unknown: [...versions].filter((version) => !known.has(version)).sort(),
  };
}
