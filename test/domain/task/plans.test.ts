/**
 * Every hot statement reads its tables by an index, whatever the planner believes: with no statistics, with 100,000 rows
 * that were never analyzed, and with statistics that say "empty" of tables that are not.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import pg from "pg";
import { INDEX_ONLY } from "../../../src/db/pool.ts";
import { insertQueues } from "../../../src/domain/queue/queries.ts";
import { getRequests, noteAnswers, takeRequests } from "../../../src/domain/request/queries.ts";
import {
  dueSchedules,
  fireSchedules,
  forgetRuns,
  moveSchedules,
  takeDue,
} from "../../../src/domain/schedule/queries.ts";
import {
  cancelTask,
  cancelTasks,
  changeTask,
  purgeTasks,
  retryTasks,
  reviveTasks,
} from "../../../src/domain/task/queries/change.ts";
import {
  claimedFacts,
  claimNamedTasks,
  claimTasks,
  namesWithDueTasks,
  queuesWithDueTasks,
} from "../../../src/domain/task/queries/claim.ts";
import { completeAwaitedTasks } from "../../../src/domain/task/queries/complete-awaited.ts";
import { doomedWith, endWaiting, markAwaited, settleEnded } from "../../../src/domain/task/queries/dependencies.ts";
import { enqueueTasks, keyHolders } from "../../../src/domain/task/queries/enqueue.ts";
import {
  enqueueHandedTasks,
  enqueueHandedTasksOnce,
  enqueuePlainTasks,
  enqueuePlainTasksOnce,
} from "../../../src/domain/task/queries/enqueue-plain.ts";
import {
  completeTasks,
  expireLeases,
  extendLeases,
  failTasks,
  lookAtReceipts,
  noteProgress,
  releaseTasks,
} from "../../../src/domain/task/queries/finish.ts";
import { getState, getTask, getTasks, newsOf } from "../../../src/domain/task/queries/read.ts";
import { expiredTasks } from "../../../src/domain/upkeep/queries.ts";
import {
  foldWorkflow,
  getWorkflow,
  lockFailed,
  lockWorkflow,
  membersByKey,
  membersToRetry,
  unfinishedMembers,
} from "../../../src/domain/workflow/queries.ts";
import { idGenerator } from "../../../src/lib/uuid7.ts";
import { listsReadInLoops, planOf, type Query, readsWithoutIndex } from "../../support/plans.ts";
import { testDatabase } from "../../support/postgres.ts";

const QUEUE = 1;
const ROWS = 100_000;
const AT = Date.UTC(2026, 0, 31);
const newId = idGenerator(Date.now);
const ids = Array.from({ length: 50 }, () => newId(QUEUE));
const keys = ids.map((id) => ({ id, queueId: QUEUE }));
const receipts = ids.map((id) => ({ id, leaseSeq: 1 }));
const share = { limit: 10, leaseSeconds: null, worker: "w" };
const claim = { queueId: QUEUE, shares: [share, share, share], from: Array.from({ length: 10 }, (_, at) => at * 1000) };
const places = Array.from({ length: 20 }, (_, at) => ({ projectId: 1, queue: `q${at}`, from: claim.from }));
const task = {
  name: "n",
  payload: "{}",
  priority: 5,
  runAt: null,
  delaySeconds: 0,
  maxAttempts: null,
  dueAt: null,
  ownerId: null,
  dedupeSeconds: null,
  description: null,
  tags: null,
  categories: null,
  dependsOn: null,
  unmet: 0,
  awaited: false,
  workflow: null,
  onDependencyFailure: "cancel",
};
const requests = ids.map((id) => ({
  projectId: 1,
  requestId: id,
  method: "task.enqueue",
  paramsHash: Buffer.from("00"),
}));
const fires = ids.map((taskId, at) => ({ scheduleId: at + 1, fireAt: AT + at, taskId, queueId: QUEUE }));
const handed = ids.map((id, at) => ({
  ...task,
  id,
  requestId: at % 2 ? id : null,
  handed: at % 3 === 0,
  leaseSeconds: null,
  worker: "w",
}));
const failure = { error: { message: "m" }, retry: true, delaySeconds: null, luck: 0.5 };

/** The statements that callers and upkeep run all the time. */
const HOT: Record<string, Query> = {
  enqueueTasks: enqueueTasks(
    QUEUE,
    ids.map((id, at) => ({ ...task, id, dedupeKey: at % 2 ? `k${at}` : null })),
    AT,
  ),
  enqueuePlainTasks: enqueuePlainTasks(
    QUEUE,
    ids.map((id) => ({ ...task, id })),
    AT,
  ),
  enqueuePlainTasksOnce: enqueuePlainTasksOnce(
    QUEUE,
    ids.map((id, at) => ({ ...task, id, requestId: at % 2 ? id : null })),
    AT,
    requests.map((request) => ({ ...request, answer: "[]" })),
    86_400,
  ),
  enqueueHandedTasks: enqueueHandedTasks(QUEUE, handed, AT),
  enqueueHandedTasksOnce: enqueueHandedTasksOnce(
    QUEUE,
    handed,
    AT,
    requests.map((request) => ({ ...request, answer: "[]" })),
    86_400,
  ),
  keyHolders: keyHolders(QUEUE, ["a", "b"]),
  claimTasks: claimTasks(claim),
  claimNamedTasks: claimNamedTasks(claim, ["a", "b"]),
  claimTasksInRoom: claimTasks(claim, { bytesMax: 1_000_000 }),
  claimNamedTasksInRoom: claimNamedTasks(claim, ["a", "b"], { bytesMax: 1_000_000 }),
  claimedFacts: claimedFacts(QUEUE, receipts),
  queuesWithDueTasks: queuesWithDueTasks(places),
  namesWithDueTasks: namesWithDueTasks(QUEUE, ["a", "b", "c"]),
  completeTasks: completeTasks(QUEUE, receipts),
  completeAwaitedTasks: completeAwaitedTasks(QUEUE, receipts, { shares: [share, share], names: ["a", "b"] }),
  failTasks: failTasks(
    QUEUE,
    receipts.map((receipt) => ({ ...receipt, ...failure })),
    false,
  ),
  releaseTasks: releaseTasks(
    QUEUE,
    receipts.map((receipt) => ({ ...receipt, delaySeconds: 0 })),
  ),
  extendLeases: extendLeases(
    QUEUE,
    receipts.map((receipt) => ({ ...receipt, leaseSeconds: null })),
  ),
  noteProgress: noteProgress(
    QUEUE,
    receipts.map((receipt) => ({ ...receipt, progress: { percent: 1 } })),
  ),
  lookAtReceipts: lookAtReceipts(QUEUE, ids),
  expireLeases: expireLeases(500, 1000),
  retryTasks: retryTasks(QUEUE, ids, { delaySeconds: 0, every: 0, restoring: false }),
  purgeTasks: purgeTasks(QUEUE, ids, "pending"),
  markAwaited: markAwaited(ids.map((id) => ({ id, queueId: QUEUE }))),
  settleEnded: settleEnded(keys.map((key) => ({ ...key, outcome: "completed" }))),
  doomedWith: doomedWith(keys),
  endWaiting: endWaiting(keys),
  cancelTasks: cancelTasks(keys),
  reviveTasks: reviveTasks(keys.map((key) => ({ ...key, unmet: 1, onFailure: "cancel" }))),
  getWorkflow: getWorkflow(1, ids[0]!),
  lockWorkflow: lockWorkflow(1, ids[0]!),
  foldWorkflow: foldWorkflow(ids[0]!),
  membersByKey: membersByKey(ids[0]!, ["a", "b"]),
  unfinishedMembers: unfinishedMembers(ids[0]!, 100),
  lockFailed: lockFailed(ids[0]!),
  membersToRetry: membersToRetry(ids[0]!),
  getTasks: getTasks(1, QUEUE, ids, 1_000_000),
  newsOf: newsOf(ids.map((id, at) => ({ id, queueId: QUEUE, known: at % 2 ? null : undefined }))),
  takeRequests: takeRequests(requests),
  getRequests: getRequests(requests),
  noteAnswers: noteAnswers(requests.map((request) => ({ ...request, answer: "{}" }))),
  insertQueues: insertQueues(places.map(({ projectId, queue }) => ({ project_id: projectId, queue }))),
  dueSchedules: dueSchedules(AT, 1000),
  takeDue: takeDue(fires.map(({ scheduleId }) => scheduleId)),
  fireSchedules: fireSchedules(fires, AT, true),
  moveSchedules: moveSchedules(
    fires.map(({ scheduleId, taskId }) => ({ id: scheduleId, nextRun: AT, lastRun: AT, lastTaskId: taskId })),
  ),
  forgetRuns: forgetRuns(3600, 1000),
};

/** Statements about one task: their lists have one row. */
const SINGLE: Record<string, Query> = {
  cancelTask: cancelTask(QUEUE, ids[0]!, null, false),
  changeTask: changeTask(QUEUE, ids[0]!, { priority: 1, catalogued: false }),
  getState: getState(1, QUEUE, ids[0]!),
  getTask: getTask(1, QUEUE, ids[0]!),
};

/** Upkeep's walks: by an index too, but over all queues, so `queue` itself is read whole. */
const WALKS: Record<string, Query> = {
  expiredTasks: expiredTasks("00000000-0000-0000-0000-000000000000", 1000),
};

const FILL = `
  insert into queue (project_id, name) select 1, 'plans' where not exists (select 1 from queue);
  insert into task (id, queue_id, priority, max_attempts, run_at, added, updated, payload, outcome, finished)
    select (left(task_partition_bound(now())::text, 13) || '-7' || lpad(to_hex(n >> 12), 3, '0') || '-8' || lpad(to_hex(n & 4095), 3, '0')
            || '-000000000001')::uuid, 1, 5, 5, now(), now(), now(), '{}',
      case when n % 2 = 0 then 'completed'::task_outcome end, case when n % 2 = 0 then now() end
    from generate_series(1, ${ROWS}) n;
  insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, name)
    select queue_id, priority, run_at, id, 0, 0, 'n' from task where outcome is null;
  insert into task_lease (id, queue_id, attempts, lease_seq, claimed_at, expires_at, has_dependents)
    select id, queue_id, 1, 1, now(), now(), false from task where outcome is not null;
  insert into task_waiting (id, queue_id, unmet, on_failure, priority, run_at) select id, queue_id, 1, 'run', priority, run_at from task where outcome is null;
  insert into task_dependency (queue_id, task_id, on_queue_id, on_id) select queue_id, id, queue_id, id from task where outcome is null;
  insert into workflow (id, project_id, unfinished, added) select id, 1, 1, now() from task where outcome is null;
  update task set workflow_id = id, workflow_key = 'k' where outcome is null;
  insert into workflow_delta (workflow_id, ended, failed, cancelled) select id, 1, 0, 0 from task where outcome is null;
  insert into task_dedupe (queue_id, key, task_id) select queue_id, id::text, id from task;
  insert into request (project_id, request_id, method, params_hash) select 1, id::text, 'm', '' from task;
  insert into schedule (project_id, name, queue, every_seconds, next_run, last_task_id, overlap)
    select 1, id::text, 'plans', 60, now(), id, 'skip' from task;
  insert into schedule_run (schedule_id, fire_at, task_id) select 1 + row_number() over (), now(), id from task`;
const TABLES =
  "task, task_ready, task_lease, task_waiting, task_dependency, task_dedupe, request, workflow, workflow_delta, schedule, schedule_run";

const database = testDatabase();
let client: pg.Client;

beforeAll(async () => {
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  // Nobody else may make statistics while these tests look.
  await client.query(`do $$ declare t text; begin
    for t in select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.relkind = 'r' and n.nspname = 'public' loop
      execute format('alter table %I set (autovacuum_enabled = off)', t); end loop; end $$`);
  for (const name of INDEX_ONLY) await client.query(`set ${name} = off`);
});
database.atEnd(() => client?.end());

function checkPlans(): void {
  for (const [name, query] of Object.entries(HOT))
    test(`${name} reads by an index, and no list in a loop`, async () => {
      const plan = await planOf(client, query);
      expect(await readsWithoutIndex(client, plan)).toEqual([]);
      expect(listsReadInLoops(plan)).toEqual([]);
      const generic = await planOf(client, query, "generic");
      expect(await readsWithoutIndex(client, generic)).toEqual([]);
      expect(listsReadInLoops(generic)).toEqual([]);
    });
  for (const [name, query] of [...Object.entries(WALKS), ...Object.entries(SINGLE)])
    test(`${name} reads by an index`, async () => {
      const reads = await readsWithoutIndex(client, await planOf(client, query));
      expect(reads.filter((read) => !/ on (queue|project)\b/.test(read))).toEqual([]);
    });
}

describe("on empty tables", checkPlans);

describe("on 100,000 rows that were never analyzed", () => {
  beforeAll(async () => {
    await client.query(FILL);
  });
  checkPlans();
});

describe("with statistics that say empty", () => {
  beforeAll(async () => {
    // Statistics of pages full of dead rows: no growth of the file makes the planner doubt them.
    for (const table of TABLES.split(", ").toReversed()) await client.query(`delete from ${table}`);
    await client.query(`analyze ${TABLES}`);
    await client.query(FILL);
  });
  checkPlans();
});

test("a list that is read in a loop would be noticed", async () => {
  const sql =
    "with a as materialized (select generate_series(1, 9) n), b as materialized (select 1 m) select from a join b on a.n = b.m";
  expect(listsReadInLoops(await planOf(client, { sql, values: [] }))).not.toEqual([]);
});

test("a scan of the whole table would be noticed", async () => {
  await client.query("set enable_seqscan = on");
  const nodes = await planOf(client, { sql: "select * from task_ready where attempts = 3", values: [] });
  await client.query("set enable_seqscan = off");
  expect(await readsWithoutIndex(client, nodes)).toEqual(["Seq Scan on task_ready"]);
});
