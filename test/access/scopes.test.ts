/** What each method wants of its caller, and that every caller is held to it. */
import { describe, expect, test } from "bun:test";
import { SCOPES, type Scope } from "../../src/domain/access/scopes.ts";
import { METHODS } from "../../src/rpc/methods/index.ts";
import type { Give } from "./params.ts";
import { ADMIN_KEY, answerOf, guardedService, unknown } from "./stage.ts";

const service = guardedService();

/**
 * What api.md ("Access") and its sentences about people's roles say of each method, written down once more by hand: a method
 * that declares another scope by mistake is found here.
 */
const SAID: Readonly<Record<string, readonly Scope[]>> = {
  ...each(["task:enqueue"], "task.enqueue task.enqueueMany workflow.create workflow.add"),
  // "task:work covers claim, complete, fail, release, extend, progress"
  ...each(
    ["task:work"],
    "task.claim task.complete task.completeMany task.fail task.failMany task.release task.extend task.progress",
  ),
  // "reading the catalogue needs task:read", "workers task:read"
  ...each(["task:read"], "task.get task.list task.count task.wait task.attempts workflow.get workflow.list"),
  ...each(["task:read"], "tag.list tag.suggest category.get category.list category.tree"),
  ...each(["task:read"], "worker.list worker.get worker.tasks"),
  // "task:write (update, cancel, retry, delete)"
  ...each(["task:write"], "task.update task.cancel task.retry task.delete task.restore workflow.cancel workflow.retry"),
  ...each(["queue:read"], "queue.get queue.list queue.stats"),
  ...each(["queue:write"], "queue.create queue.update queue.delete queue.pause queue.resume queue.purge queue.redrive"),
  ...each(["catalogue:write"], "tag.create tag.rename tag.delete category.create category.update category.delete"),
  ...each(["schedule:write"], "schedule.create schedule.update schedule.pause schedule.resume schedule.delete"),
  ...each(["schedule:write"], "schedule.trigger"),
  // "schedules schedule:write or task:read"
  ...each(["schedule:write", "task:read"], "schedule.get schedule.list schedule.next"),
  ...each(["admin"], "apiKey.create apiKey.list apiKey.revoke apiKey.rotate admin.health admin.verify"),
  ...each(["admin"], "project.create project.update project.delete"),
  ...each(["admin"], "project.addMember project.removeMember project.members"),
  // Whoever has a part in a project may know of it.
  ...each([], "project.get project.list rpc.discover"),
};

function each(scopes: readonly Scope[], methods: string): Record<string, readonly Scope[]> {
  return Object.fromEntries(methods.split(" ").map((method) => [method, scopes]));
}

/** What takes the whole service: refused to a key of one project, whatever its scopes. With what else must be given. */
const EVERYWHERE: Readonly<Record<string, readonly (readonly [path: string, value: unknown])[]>> = {
  "project.create": [],
  "project.update": [["newName", "renamed"]],
  "admin.verify": [],
};

describe("declarations", () => {
  test("every method says what it wants, in scopes that there are", () => {
    for (const { name, scope } of METHODS) {
      expect(scope, name).not.toBeUndefined();
      const wanted: readonly Scope[] = scope === null ? [] : typeof scope === "string" ? [scope] : scope;
      for (const one of wanted) expect(SCOPES, name).toContain(one);
    }
  });

  test("every method wants what api.md says", async () => {
    const methods = await service.methods();
    for (const method of methods.names) {
      if (!SAID[method])
        throw new Error(`${method} is new: say in SAID (test/access/scopes.test.ts) what api.md wants.`);
      expect({ method, scopes: methods.scopesOf(method) }).toEqual({ method, scopes: SAID[method] });
    }
  });
});

describe("a key of one project with one scope", () => {
  const project = "matrix";

  test.each([...SCOPES])("%s opens what wants it, and nothing else", async (scope) => {
    const methods = await service.methods();
    await answerOf(service.url, "project.create", { name: project }, ADMIN_KEY);
    // Deleting the project is then a conflict, and the next method finds it there.
    await service.call("task.enqueue", { project, queue: "kept", delaySeconds: 3600 });
    const key = await service.keyOf(project, [scope]);
    const give: Give = (kind, ...of) => (kind === "project" ? project : unknown(kind, ...of));
    const allowed: string[] = [];
    for (const method of methods.names) {
      const wanted = SAID[method]!;
      const may = wanted.length === 0 || scope === "admin" || wanted.includes(scope);
      const { error, status } = await answerOf(service.url, method, methods.params(method, give), key);
      const told = { method, status, refused: error?.data };
      if (may && !(method in EVERYWHERE && EVERYWHERE[method]!.length === 0)) {
        allowed.push(method);
        expect(status, method).toBe(200);
        const types = ["forbidden", "unauthenticated", "invalid_params", "internal", "method_not_found"];
        expect(types, JSON.stringify({ method, error })).not.toContain(error?.data.type ?? "");
      } else expect(told).toEqual({ method, status: 200, refused: { type: "forbidden", scope: wanted[0] } });
    }
    expect(allowed).toContain("rpc.discover");
  });

  test("in another project it opens nothing, and does not learn whether there is one", async () => {
    const methods = await service.methods();
    const key = await service.keyOf(project, [...SCOPES]);
    await service.makeProject("other");
    for (const method of methods.names) {
      const leaf = methods.leaves(method).find(({ kind, path }) => kind === "project" && path !== "newName");
      if (!leaf || method === "project.create") continue;
      for (const name of ["other", "nowhere"]) {
        const params = methods.params(method, unknown, new Map([[leaf.path, name]]));
        const { error } = await answerOf(service.url, method, params, key);
        expect({ method, data: error?.data }).toEqual({
          method,
          data: { type: "not_found", noun: "project", id: name },
        });
      }
    }
  });

  test.each(Object.entries(EVERYWHERE))("%s is for those from everywhere", async (method, more) => {
    const methods = await service.methods();
    const own = await service.makeProject(`own of ${method}`);
    const key = await service.keyOf(own, ["admin"]);
    const give: Give = (kind, ...of) => (kind === "project" ? own : unknown(kind, ...of));
    const params = methods.params(method, give, new Map(more));
    const { error } = await answerOf(service.url, method, params, key);
    expect(error?.data).toEqual({ type: "forbidden", scope: "admin" });
    const { error: everywhere } = await answerOf(service.url, method, params, ADMIN_KEY);
    expect(everywhere?.data.type).not.toBe("forbidden");
  });
});
