/** What of a setting's values is bad: PostgreSQL may then forget a commit that it has acknowledged, or be damaged by a crash. */
interface Danger {
  readonly isBad: (value: string) => boolean;
  readonly why: string;
}

const when = (bad: string) => (value: string) => value === bad;

/** Not a setting: names of our tables stand as its value. */
export const UNLOGGED = "unlogged tables";

export const ENDANGERING: Readonly<Record<string, Danger>> = {
  fsync: { isBad: when("off"), why: "a crash of the machine can damage the whole database" },
  full_page_writes: { isBad: when("off"), why: "a crash of the machine can leave half-written pages" },
  synchronous_commit: { isBad: when("off"), why: "a crash of the server can lose what was acknowledged" },
  data_sync_retry: { isBad: when("on"), why: "a write that the disk refused may be taken for done" },
  zero_damaged_pages: { isBad: when("on"), why: "a damaged page is emptied instead of reported" },
  ignore_checksum_failure: { isBad: when("on"), why: "damaged pages are read and written on" },
  [UNLOGGED]: { isBad: () => true, why: "a crash of the server empties them" },
};

/** All that the migrations make; a test compares. The partitions of a table come with it. */
export const DURABLE_TABLES = [
  "account",
  "api_key",
  "auth_secret",
  "category",
  "category_delta",
  "project",
  "project_member",
  "queue",
  "queue_delta",
  "queue_rate",
  "queue_total",
  "request",
  "schedule",
  "schedule_run",
  "schema_migrations",
  "session",
  "tag",
  "tag_delta",
  "task",
  "task_catalogue",
  "task_category",
  "task_dedupe",
  "task_dependency",
  "task_lease",
  "task_ready",
  "task_tag",
  "task_waiting",
  "user",
  "verification",
  "worker",
  "workflow",
  "workflow_delta",
] as const;

export interface Endangering {
  setting: string;
  value: string;
  why: string;
}

/** Which of the server's settings endanger acknowledged work. */
export function endangering(settings: readonly { setting: string; value: string }[]): Endangering[] {
  return settings.flatMap(({ setting, value }) => {
    const known = ENDANGERING[setting];
    return known?.isBad(value) ? [{ setting, value, why: known.why }] : [];
  });
}
