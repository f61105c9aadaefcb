import { anyText, milliseconds, onOff, postgresUrl, whole } from "./values.ts";
import { optional, variable } from "./variable.ts";

/** Which database, and how it is spoken to. */
export const DATABASE = {
  databaseUrl: optional(
    "DATABASE_URL",
    postgresUrl,
    "PostgreSQL 15 or later, as a URL with user and password; may be a pooler's. Without it, an embedded PostgreSQL runs in DATA_DIR.",
    { secret: true, fallbackText: "embedded PostgreSQL" },
  ),
  listenDatabaseUrl: optional(
    "LISTEN_DATABASE_URL",
    postgresUrl,
    "The same database past the pooler, for LISTEN and for migrations, where DATABASE_URL is a pooler's.",
    { secret: true, fallbackText: "DATABASE_URL" },
  ),
  dataDir: variable(
    "DATA_DIR",
    "./.opensqs",
    anyText,
    "Folder of the embedded PostgreSQL: its data, password and log.",
  ),
  poolSize: variable(
    "POOL_SIZE",
    "10",
    whole(1, 1000),
    "Most connections to the database, but for four more where AUTH is on.",
  ),
  connectTimeoutMs: variable(
    "CONNECT_TIMEOUT_SECONDS",
    "10",
    milliseconds(0.1, 600),
    "Seconds until an attempt to connect to the database is given up.",
  ),
  acquireTimeoutMs: variable(
    "ACQUIRE_TIMEOUT_SECONDS",
    "10",
    milliseconds(0.1, 600),
    "Seconds a call may wait for a free connection before it is refused as overloaded.",
  ),
  statementTimeoutMs: variable(
    "STATEMENT_TIMEOUT_SECONDS",
    "30",
    milliseconds(0.1, 3600),
    "Seconds until PostgreSQL ends a statement of the service.",
  ),
  idleTimeoutMs: variable(
    "IDLE_TIMEOUT_SECONDS",
    "60",
    milliseconds(1, 86_400),
    "Seconds until a connection to the database that nobody uses is closed.",
  ),
  migrateOnStart: variable("MIGRATE_ON_START", "on", onOff, "Apply pending migrations before listening."),
  allowUnsafeDatabase: variable(
    "ALLOW_UNSAFE_DATABASE",
    "off",
    onOff,
    "Start on a database that may lose acknowledged tasks: fsync, full_page_writes or synchronous_commit off, unlogged tables, damage passed over.",
  ),
} as const;
