/** Valid traffic, recorded while it happens: calls that a service has answered, at least one of every method. */

export interface WireCall {
  readonly method: string;
  readonly params: Record<string, unknown>;
}

/** Makes one call and gives its result; throws when it is refused. */
export type Make = (method: string, params: Record<string, unknown>) => Promise<unknown>;

type Result = ReturnType<typeof JSON.parse>;

/**
 * Drives one of everything through the service and gives the calls in their order, with the ids, receipts and cursors that
 * the service gave. `mark` keeps the names of several recordings apart.
 */
export async function recordTraffic(make: Make, mark: string): Promise<WireCall[]> {
  const recorded: WireCall[] = [];
  const call = async (method: string, params: Record<string, unknown>): Promise<Result> => {
    recorded.push({ method, params });
    return await make(method, params);
  };
  await projectsAndLabels(call, mark);
  await tasks(call, mark);
  await ends(call, mark);
  await workflows(call, mark);
  await schedules(call, mark);
  await queues(call, mark);
  await access(call, mark);
  for (const method of ["admin.health", "admin.verify", "rpc.discover"]) await call(method, {});
  await farewell(call, mark);
  return recorded;
}

type Call = (method: string, params: Record<string, unknown>) => Promise<Result>;

async function projectsAndLabels(call: Call, mark: string): Promise<void> {
  await call("project.create", { name: `project ${mark}`, description: "Of nobody.", requestId: `p-${mark}` });
  await call("project.get", { name: `project ${mark}` });
  await call("project.list", { limit: 2 });
  await call("project.update", { name: `project ${mark}`, newName: `Project ${mark}`, description: null });
  await call("tag.create", { name: `tag ${mark}`, colour: "#3B82F6" });
  await call("tag.list", { prefix: "t", sort: "-used", limit: 5 });
  await call("tag.suggest", { prefix: "ta", limit: 3 });
  await call("tag.rename", { name: `tag ${mark}`, newName: `Tag ${mark}` });
  await call("category.create", { name: `root ${mark}`, description: "The root." });
  await call("category.create", { name: `leaf ${mark}`, parent: `root ${mark}`, colour: "#abcdef" });
  await call("category.get", { name: `leaf ${mark}` });
  await call("category.list", { limit: 10 });
  await call("category.tree", { root: `root ${mark}` });
  await call("category.update", {
    name: `leaf ${mark}`,
    newName: `Leaf ${mark}`,
    parent: null,
    description: "A leaf.",
  });
}

async function tasks(call: Call, mark: string): Promise<void> {
  const queue = `q-${mark}`;
  await call("queue.create", {
    name: queue,
    leaseSeconds: 30,
    maxAttempts: 3,
    backoff: { baseSeconds: 1, factor: 2, maxSeconds: 60, jitter: true },
    retention: { completedSeconds: 3600, failedSeconds: null },
    maxPayloadBytes: 262144,
    description: "Mail.",
  });
  const { id } = await call("task.enqueue", {
    queue,
    name: "mail.send",
    payload: { to: "a@example.com", lines: [1, 2.5, null, { deep: [true] }] },
    priority: "high",
    delaySeconds: 0,
    maxAttempts: 5,
    dedupeKey: `key ${mark}`,
    dedupeSeconds: 60,
    description: "Sends a letter to the reader.",
    dueAt: "2030-01-31T12:00:00.000Z",
    ownerId: "ann",
    tags: [`Tag ${mark}`, "urgent"],
    categories: [`Leaf ${mark}`],
    requestId: `e-${mark}`,
  });
  const rest = await call("task.enqueueMany", {
    queue,
    tasks: [
      { name: "one", payload: {} },
      { name: "two", priority: 9, runAt: "2020-01-01T00:00:00Z" },
      { dependsOn: [id], onDependencyFailure: "run" },
    ],
  });
  await call("task.get", { id });
  await call("task.list", {
    queue,
    states: ["pending", "waiting"],
    names: ["mail.send"],
    priority: 2,
    tags: ["urgent"],
    category: `Leaf ${mark}`,
    ownerId: "ann",
    addedFrom: "2020-01-01T00:00:00Z",
    dueTo: "2031-01-01T00:00:00+02:00",
    payload: { to: "a@example.com" },
    text: 'letter -"reader of" or mail',
    anyOf: [{ states: ["pending"] }, { text: "letters" }],
    sort: "relevance",
    limit: 2,
  });
  const { nextCursor } = await call("task.list", { queue, limit: 1, sort: "priority" });
  await call("task.list", { queue, limit: 1, sort: "priority", cursor: nextCursor });
  await call("task.count", { queue, text: "letter", deleted: false });
  await call("task.update", { id, name: "mail.send", priority: 0, description: null, tags: ["later"], maxAttempts: 7 });
  await call("task.wait", { id, waitSeconds: 0, progress: { percent: 10, note: null } });
  const other = rest.tasks[1].id;
  await call("task.cancel", { id: other, reason: "not wanted" });
  await call("task.retry", { id: other, delaySeconds: 1 });
  await call("task.delete", { id: other });
  await call("task.restore", { id: other });
}

async function ends(call: Call, mark: string): Promise<void> {
  const queue = `q-${mark}`;
  const claim = { queue, limit: 5, leaseSeconds: 60, worker: `worker ${mark}`, waitSeconds: 0.01 };
  const { tasks } = await call("task.claim", claim);
  await call("task.claim", { queues: [queue, `none-${mark}`], names: ["nothing"], limit: 1000 });
  const receipts: string[] = tasks.map(({ receipt }: { receipt: string }) => receipt);
  const receipt = receipts[0]!;
  await call("task.progress", { receipt, percent: 50.5, note: "half" });
  await call("task.extend", { receipts, leaseSeconds: 90, progress: { percent: 60, note: "more" } });
  await call("worker.list", { limit: 5 });
  await call("worker.get", { id: `worker ${mark}` });
  await call("worker.tasks", { id: `worker ${mark}`, limit: 5 });
  await call("task.complete", { receipt, result: { sent: [1, "two", null] } });
  const error = { message: "The server is away.", code: "E_AWAY", data: { tries: [1, 2] } };
  await call("task.fail", { receipt: receipts[1]!, error, retry: true, delaySeconds: 0 });
  await call("task.attempts", { id: tasks[1].id, limit: 10 });
  await call("task.enqueueMany", { queue, tasks: [{}, {}, {}] });
  const again = await call("task.claim", { queue, limit: 4 });
  const more: string[] = again.tasks.map(({ receipt }: { receipt: string }) => receipt);
  await call("task.release", { receipt: more[0]!, delaySeconds: 0.5 });
  await call("task.completeMany", { items: [{ receipt: more[1]! }, { receipt: more[1]!, result: 0 }] });
  await call("task.failMany", { items: [{ receipt: more[2]!, error, retry: false }] });
}

async function workflows(call: Call, mark: string): Promise<void> {
  const queue = `w-${mark}`;
  const { id } = await call("workflow.create", {
    name: `flow ${mark}`,
    queue,
    tasks: [
      { key: "fetch", payload: { url: "https://example.com" } },
      { key: "merge", dependsOn: ["fetch"], name: "merge", onDependencyFailure: "fail" },
    ],
  });
  await call("workflow.add", { id, queue, tasks: [{ key: "report", dependsOn: ["merge"], tags: ["urgent"] }] });
  await call("workflow.get", { id });
  await call("workflow.list", { states: ["running"], limit: 2 });
  await call("workflow.cancel", { id });
  await call("workflow.retry", { id });
}

async function schedules(call: Call, mark: string): Promise<void> {
  const queue = `s-${mark}`;
  const name = `nightly ${mark}`;
  await call("schedule.create", {
    name,
    queue,
    cron: "0 30 4 * JAN-DEC MON-FRI",
    timezone: "Europe/Berlin",
    task: { name: "report", payload: { day: true }, priority: 3, maxAttempts: 2, tags: ["night"] },
    missed: "all",
    overlap: "skip",
    startAt: "2020-01-01T00:00:00Z",
    endAt: "2040-01-01T00:00:00Z",
  });
  await call("schedule.create", { name: `often ${mark}`, queue, everySeconds: 3600.5 });
  await call("schedule.update", { name, cron: "*/5 1,2-4 L * 1#2", task: { payload: {} }, endAt: null });
  await call("schedule.get", { name });
  await call("schedule.list", { limit: 2 });
  await call("schedule.pause", { name });
  await call("schedule.resume", { name });
  await call("schedule.trigger", { name });
  await call("schedule.next", {
    cron: "0 4 29 2 *",
    timezone: "America/New_York",
    count: 3,
    after: "2024-01-01T00:00:00Z",
  });
  await call("schedule.next", { name, count: 2 });
}

async function queues(call: Call, mark: string): Promise<void> {
  const name = `q-${mark}`;
  await call("queue.update", { name, leaseSeconds: 45.5, backoff: { jitter: false }, description: null });
  await call("queue.get", { name });
  await call("queue.list", { limit: 1 });
  await call("queue.stats", { name });
  await call("queue.pause", { name });
  await call("queue.resume", { name });
  await call("queue.redrive", { name, state: "failed", names: ["one"], limit: 10, ratePerSecond: 5.5 });
}

async function access(call: Call, mark: string): Promise<void> {
  const made = await call("apiKey.create", {
    name: `key ${mark}`,
    scopes: ["task:read", "task:work"],
    queues: ["w-*", "q?"],
    expiresInSeconds: 3600,
  });
  await call("apiKey.list", { limit: 2 });
  const { id } = await call("apiKey.rotate", { id: made.id, overlapSeconds: 60 });
  await call("apiKey.revoke", { id });
  const name = `Project ${mark}`;
  await call("project.members", { name, limit: 5 });
  // Nobody has signed up here, so these two are refused, in the ordinary way.
  const somebody = { name, userId: `user-${mark}` };
  await call("project.addMember", { ...somebody, role: "member" }).catch(() => {});
  await call("project.removeMember", somebody).catch(() => {});
}

/** What takes the others' ground away comes last. */
async function farewell(call: Call, mark: string): Promise<void> {
  await call("worker.list", {});
  await call("queue.purge", { name: `w-${mark}`, states: ["pending", "waiting"] });
  await call("queue.create", { name: `gone-${mark}` });
  await call("queue.delete", { name: `gone-${mark}`, force: true });
  await call("schedule.delete", { name: `often ${mark}` });
  await call("tag.delete", { name: `Tag ${mark}` });
  await call("category.delete", { name: `Leaf ${mark}`, children: "delete" });
  await call("project.delete", { name: `Project ${mark}`, force: true });
}
