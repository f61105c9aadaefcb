/**
 * category.create, get, list, update, delete, tree; that a tree never has a circle, whatever races and whoever writes; and
 * that `tasks` counts what is in a category and not deleted. Told on two instances, since moves race between them too.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { deleteCategories, updateCategory } from "../../src/domain/category/queries.ts";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { comeTo } from "../races/holds.ts";
import { story } from "../races/story.ts";
import { refusal } from "../support/service.ts";

setDefaultTimeout(60_000);
const race = story();
const { call } = race;
type Category = Contract["category.get"]["result"];
type Tree = Contract["category.tree"]["result"]["categories"][number];
const notFound = (id: string) => ({ type: "not_found", noun: "category", id }) as const;
const conflict = (field: string) => ({ type: "conflict", field }) as const;

let projects = 0;
async function newProject(): Promise<string> {
  const name = `p${++projects}`;
  await call("project.create", { name });
  return name;
}
/** A project with these categories: a name, and the name of what it is below. */
async function planted(...pairs: readonly (readonly [name: string, parent?: string])[]): Promise<string> {
  const project = await newProject();
  for (const [name, parent] of pairs)
    await call("category.create", { project, name, ...(parent === undefined ? {} : { parent }) });
  return project;
}
async function listed(project: string, limit = 100): Promise<Category[]> {
  const found: Category[] = [];
  let cursor: string | undefined;
  do {
    const page = await call("category.list", { project, limit, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.categories);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}
/** A project's trees in short: "a(b c(d))". */
const short = (trees: readonly Tree[]): string =>
  trees.map(({ name, children }) => name + (children.length > 0 ? `(${short(children)})` : "")).join(" ");
const tree = async (project: string, root?: string) =>
  short((await call("category.tree", { project, ...(root === undefined ? {} : { root }) })).categories);
const tasks = async (project: string) =>
  Object.fromEntries((await listed(project)).map((category) => [category.name, category.tasks]));

describe("create and get", () => {
  test("answer the category", async () => {
    const project = await planted(["work"]);
    const created = await call("category.create", {
      project,
      name: "Ünïcode ☃",
      parent: "work",
      colour: "#aBcDeF",
      description: "text",
    });
    expect(created).toEqual({
      id: created.id,
      name: "Ünïcode ☃",
      parent: "work",
      colour: "#aBcDeF",
      description: "text",
      tasks: 0,
      added: created.added,
      updated: created.added,
    });
    expect(await call("category.get", { project, name: "Ünïcode ☃" })).toEqual(created);
    expect(await call("category.create", { project, name: "root", parent: null, description: null })).toMatchObject({
      parent: null,
      colour: "#3B82F6",
      description: null,
    });
  });

  test("a name is there once per project; names of unlike case are two", async () => {
    const [project, other] = [await planted(["work"]), await planted(["work"])];
    expect(await refusal(call("category.create", { project, name: "work" }))).toEqual(conflict("name"));
    expect((await call("category.create", { project, name: "Work" })).name).toBe("Work");
    expect((await call("category.get", { project: other, name: "work" })).id).not.toBe(
      (await call("category.get", { project, name: "work" })).id,
    );
  });

  test("of many that create one name at once, one does", async () => {
    const project = await newProject();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => comeTo(call("category.create", { project, name: "x" }, n % 2))),
    );
    const refused = answers.flatMap((answer) => ("refused" in answer ? [answer.refused] : []));
    expect(refused).toEqual(Array(7).fill(conflict("name")));
  });

  test("a parent must be a category of the same project", async () => {
    const [project] = [await newProject(), await planted(["abroad"])];
    for (const parent of ["none", "abroad"])
      expect(await refusal(call("category.create", { project, name: "x", parent }))).toEqual(notFound(parent));
    // Nor its own, which is not there yet.
    expect(await refusal(call("category.create", { project, name: "x", parent: "x" }))).toEqual(notFound("x"));
    expect(await listed(project)).toEqual([]);
  });

  test("a parent that is deleted at the same moment is not found", async () => {
    const project = await planted(["parent"]);
    const { id } = await call("category.get", { project, name: "parent" });
    const deletion = await race.heldOpen((tx) => tx.any(deleteCategories([id])));
    const creation = comeTo(call("category.create", { project, name: "child", parent: "parent" }));
    await race.waiting(1);
    await deletion.commit();
    expect(await creation).toEqual({ refused: notFound("parent") });
  });

  test("what is not there is not found", async () => {
    const project = await newProject();
    const name = "none";
    expect(await refusal(call("category.get", { project, name }))).toEqual(notFound(name));
    expect(await refusal(call("category.update", { project, name, description: "x" }))).toEqual(notFound(name));
    expect(await refusal(call("category.delete", { project, name }))).toEqual(notFound(name));
    expect(await refusal(call("category.tree", { project, root: name }))).toEqual(notFound(name));
    expect(await refusal(call("task.list", { project, category: name }))).toEqual(notFound(name));
    expect(await refusal(call("task.count", { project, anyOf: [{ category: name }] }))).toEqual(notFound(name));
    expect(await refusal(call("task.enqueue", { project, queue: "q", categories: [name] }))).toEqual(notFound(name));
  });
});

describe("list and tree", () => {
  test("a list gives all by name, in pages of any size", async () => {
    const names = ["a", "b", "c", "d", "e", "f", "g"];
    const project = await planted(...names.toReversed().map((name) => [name] as const));
    for (const limit of [1, 2, 3, 7, 8]) expect((await listed(project, limit)).map(({ name }) => name)).toEqual(names);
  });

  test("a tree gives all of the project, or all below one, in the order of names", async () => {
    const project = await planted(["b"], ["a"], ["d", "b"], ["c", "b"], ["e", "c"]);
    expect(await tree(project)).toBe("a b(c(e) d)");
    expect(await tree(project, "b")).toBe("b(c(e) d)");
    expect(await tree(project, "c")).toBe("c(e)");
    const [found] = (await call("category.tree", { project, root: "c" })).categories;
    // What it is below is told, though it is not among them.
    const { children, ...rest } = found!;
    expect(rest).toEqual(await call("category.get", { project, name: "c" }));
    expect(children).toEqual([{ ...(await call("category.get", { project, name: "e" })), children: [] }]);
  });

  test("a deep tree", async () => {
    const depth = 100;
    const name = (n: number) => `n${n}`;
    const project = await planted(
      ...Array.from({ length: depth }, (_, n) => (n === 0 ? ([name(0)] as const) : ([name(n), name(n - 1)] as const))),
    );
    expect((await tree(project)).match(/n\d+/g)).toHaveLength(depth);
    const { id } = await call("task.enqueue", { project, queue: "q", categories: [name(depth - 1)] });
    expect((await call("task.list", { project, category: name(0) })).tasks).toMatchObject([{ id }]);
    const circle = call("category.update", { project, name: name(0), parent: name(depth - 1) });
    expect(await refusal(circle)).toEqual(conflict("parent"));
  });
});

describe("update", () => {
  test("changes what is given; null takes the description away and makes a root", async () => {
    const project = await planted(["a"], ["b", "a"]);
    const before = await call("category.get", { project, name: "b" });
    const described = await call("category.update", { project, name: "b", description: "x", colour: "#000000" });
    expect(described).toEqual({ ...before, description: "x", colour: "#000000", updated: described.updated });
    expect(described.updated > before.updated).toBe(true);
    const cleared = await call("category.update", { project, name: "b", description: null, parent: null });
    expect(cleared).toMatchObject({ description: null, parent: null, colour: "#000000" });
    expect(await call("category.update", { project, name: "b" })).toMatchObject({ name: "b", colour: "#000000" });
    expect(await tree(project)).toBe("a b");
  });

  test("a new name shows at once where the category is named", async () => {
    const project = await planted(["a"], ["b", "a"]);
    const { id } = await call("task.enqueue", { project, queue: "q", categories: ["a"] });
    expect((await call("category.update", { project, name: "a", newName: "z" })).name).toBe("z");
    expect((await call("task.get", { project, id })).categories).toEqual(["z"]);
    expect((await call("category.get", { project, name: "b" })).parent).toBe("z");
    expect((await call("task.list", { project, category: "z" }, 1)).tasks).toMatchObject([{ id }]);
    expect(await refusal(call("task.list", { project, category: "a" }, 1))).toEqual(notFound("a"));
    expect(await refusal(call("category.update", { project, name: "z", newName: "b" }))).toEqual(conflict("newName"));
    expect((await call("category.update", { project, name: "z", newName: "Z" })).name).toBe("Z");
    expect(await refusal(call("category.update", { project, name: "Z", parent: "none" }))).toEqual(notFound("none"));
  });

  test("a move takes all below along", async () => {
    const project = await planted(["a"], ["b"], ["c", "b"], ["d", "c"]);
    await call("category.update", { project, name: "b", parent: "a" });
    expect(await tree(project)).toBe("a(b(c(d)))");
    await call("category.update", { project, name: "c", parent: "a" });
    expect(await tree(project)).toBe("a(b c(d))");
  });

  test("of one that is deleted at the same moment is not found", async () => {
    const project = await planted(["a"]);
    const { id } = await call("category.get", { project, name: "a" });
    const deletion = await race.heldOpen((tx) => tx.any(deleteCategories([id])));
    const update = comeTo(call("category.update", { project, name: "a", description: "late" }));
    await race.waiting(1);
    await deletion.commit();
    expect(await update).toEqual({ refused: notFound("a") });
  });
});

describe("no circle", () => {
  test("below itself, its child, its grandchild", async () => {
    const project = await planted(["a"], ["b", "a"], ["c", "b"]);
    for (const parent of ["a", "b", "c"])
      expect(await refusal(call("category.update", { project, name: "a", parent }))).toEqual(conflict("parent"));
    expect(await tree(project)).toBe("a(b(c))");
  });

  test("by hand: the database refuses it too", async () => {
    const project = await planted(["a"], ["b", "a"], ["c", "b"]);
    const move = (name: string, parent: string) =>
      race.client
        .query(
          `update category set parent_id = p.id from (select id, project_id from category where name = $2) p
           where category.name = $1 and category.project_id = p.project_id
             and p.project_id = (select id from project where name = $3)`,
          [name, parent, project],
        )
        .then(
          ({ rowCount }) => rowCount,
          ({ code, constraint }) => [code, constraint],
        );
    for (const parent of ["a", "b", "c"]) expect(await move("a", parent)).toEqual(["23514", "category_no_cycle"]);
    expect(await move("c", "a")).toBe(1);
    expect(await tree(project)).toBe("a(b c)");
    // Two at a time that exchange their places, in one statement.
    const swap = race.client.query(
      `update category c set parent_id = o.id from category o
       where c.project_id = o.project_id and c.project_id = (select id from project where name = $1)
         and (c.name, o.name) in (('b', 'c'), ('c', 'b'))`,
      [project],
    );
    expect(await swap.catch(({ constraint }) => constraint)).toBe("category_no_cycle");
    expect(await tree(project)).toBe("a(b c)");
  });

  test.each([
    ["a", "b"],
    ["b", "a"],
  ] as const)("one move under way, %s below the other, and then the opposite one", async (first, second) => {
    const project = await planted(["a"], ["b"]);
    const ids = { a: 0, b: 0 };
    for (const name of ["a", "b"] as const) ids[name] = (await call("category.get", { project, name })).id;
    const move = await race.heldOpen((tx) => tx.any(updateCategory(ids[first], { parentId: ids[second] })));
    const opposite = comeTo(call("category.update", { project, name: second, parent: first }, 1));
    await race.waiting(1);
    await move.commit();
    expect(await opposite).toEqual({ refused: conflict("parent") });
    expect(await tree(project)).toBe(`${second}(${first})`);
  });

  test("one move under way and then undone: the opposite one goes through", async () => {
    const project = await planted(["a"], ["b"]);
    const [{ id: a }, { id: b }] = [
      await call("category.get", { project, name: "a" }),
      await call("category.get", { project, name: "b" }),
    ];
    let undo: (reason: Error) => void = () => {};
    const gate = new Promise<never>((_, reject) => {
      undo = reject;
    });
    const move = race.heldOpen(async (tx) => {
      await tx.any(updateCategory(a, { parentId: b }));
      started();
      return await gate;
    });
    let started = () => {};
    const begun = new Promise<void>((resolve) => {
      started = resolve;
    });
    const ended = move.then(
      () => "committed",
      ({ message }: Error) => message,
    );
    await begun;
    const opposite = comeTo(call("category.update", { project, name: "b", parent: "a" }));
    await race.waiting(1);
    undo(new Error("undone"));
    expect(await ended).toBe("undone");
    expect(await opposite).toMatchObject({ result: { name: "b", parent: "a" } });
    expect(await tree(project)).toBe("a(b)");
  });

  test("two opposite moves at once, many times: exactly one wins", async () => {
    const project = await newProject();
    for (let round = 0; round < 60; round++) {
      const [a, b] = [`a${round}`, `b${round}`];
      for (const name of [a, b]) await call("category.create", { project, name });
      const moves = await Promise.all([
        comeTo(call("category.update", { project, name: a, parent: b }, round % 2)),
        comeTo(call("category.update", { project, name: b, parent: a }, round % 3 === 0 ? round % 2 : 1 - (round % 2))),
      ]);
      expect(moves.flatMap((move) => ("refused" in move ? [move.refused] : []))).toEqual([conflict("parent")]);
    }
    // All are in the tree: what is in a circle is below no root.
    expect((await tree(project)).match(/[ab]\d+\([ab]\d+\)/g)).toHaveLength(60);
  });

  test("longer circles, closed by several at once: one of them is refused", async () => {
    for (let round = 0; round < 20; round++) {
      const names = ["a", "b", "c", "d"];
      const project = await planted(...names.map((name) => [name] as const));
      const moves = await Promise.all(
        names.map((name, at) =>
          comeTo(call("category.update", { project, name, parent: names[(at + 1) % 4]! }, at % 2)),
        ),
      );
      const refused = moves.flatMap((move) => ("refused" in move ? [move.refused] : []));
      expect(refused).toEqual([conflict("parent")]);
      expect((await tree(project)).match(/[abcd]/g)).toHaveLength(4);
    }
  });
});

describe("delete", () => {
  test("lifts the children to where it stood itself", async () => {
    const project = await planted(["a"], ["b", "a"], ["c", "b"], ["d", "b"], ["e", "d"]);
    expect(await call("category.delete", { project, name: "b" })).toEqual({ name: "b" });
    expect(await tree(project)).toBe("a(c d(e))");
    await call("category.delete", { project, name: "a", children: "lift" });
    expect(await tree(project)).toBe("c d(e)");
  });

  test("or deletes all below", async () => {
    const project = await planted(["a"], ["b", "a"], ["c", "b"], ["d"]);
    const { id } = await call("task.enqueue", { project, queue: "q", categories: ["c", "d"] });
    expect(await call("category.delete", { project, name: "a", children: "delete" })).toEqual({ name: "a" });
    expect(await tree(project)).toBe("d");
    expect((await call("task.get", { project, id })).categories).toEqual(["d"]);
    expect(await tasks(project)).toEqual({ d: 1 });
  });

  test("takes the category off its tasks, in every state, and its name is free", async () => {
    const project = await planted(["a"], ["b"]);
    const categories = ["a", "b"];
    const added = await call("task.enqueueMany", { project, queue: "q", tasks: [{ categories }, { categories }] });
    const claimed = await call("task.claim", { project, queue: "q" });
    await call("task.complete", { project, receipt: claimed.tasks[0]!.receipt });
    await call("category.delete", { project, name: "a" });
    for (const { id } of added.tasks) expect((await call("task.get", { project, id })).categories).toEqual(["b"]);
    expect((await call("category.create", { project, name: "a" })).tasks).toBe(0);
    expect((await call("task.list", { project, category: "a" })).tasks).toEqual([]);
  });

  test("of a whole tree, each by itself and all at once, leaves nothing and fails nowhere", async () => {
    for (let round = 0; round < 4; round++) {
      const names = ["a", "b", "c", "d"];
      const project = await planted(["a"], ["b", "a"], ["c", "b"], ["d", "c"]);
      const deletions = await Promise.all(
        names.map((name, at) => comeTo(call("category.delete", { project, name }, at % 2))),
      );
      expect(deletions).toEqual(names.map((name) => ({ result: { name } })));
      expect(await listed(project)).toEqual([]);
    }
  });

  test("against tasks that name it: each is in it, or is refused", async () => {
    for (let round = 0; round < 15; round++) {
      const project = await planted(["a"], ["b"]);
      const [added] = await Promise.all([
        Promise.all(
          Array.from({ length: 6 }, (_, n) =>
            comeTo(call("task.enqueue", { project, queue: `q${n % 2}`, categories: ["a", "b"] }, n % 2)),
          ),
        ),
        call("category.delete", { project, name: "a" }),
      ]);
      const ids = added.flatMap((one) => ("result" in one ? [one.result.id] : []));
      for (const one of added) if ("refused" in one) expect(one.refused).toEqual(notFound("a"));
      for (const id of ids) expect((await call("task.get", { project, id })).categories).toEqual(["b"]);
      expect(await tasks(project)).toEqual({ b: ids.length });
    }
  });
});

describe("tasks counts", () => {
  test("what is in this very category, through update, delete, restore, purge and queue.delete", async () => {
    const project = await planted(["a"], ["b", "a"]);
    const queue = "q";
    const added = await call("task.enqueueMany", {
      project,
      queue,
      tasks: [{ categories: ["a"] }, { categories: ["b", "b"] }, { categories: ["b", "a"] }, {}],
    });
    const [one, two, both] = added.tasks.map(({ id }) => id) as [string, string, string];
    expect(await tasks(project)).toEqual({ a: 2, b: 2 });
    await call("task.update", { project, id: one, categories: ["b"] });
    expect(await tasks(project)).toEqual({ a: 1, b: 3 });
    await call("task.update", { project, id: one, name: "categories not named, so they stay" });
    expect(await tasks(project)).toEqual({ a: 1, b: 3 });
    await call("task.delete", { project, id: both });
    expect(await tasks(project)).toEqual({ a: 0, b: 2 });
    await call("task.restore", { project, id: both });
    expect(await tasks(project)).toEqual({ a: 1, b: 3 });
    await call("task.cancel", { project, id: two });
    await call("task.delete", { project, id: two });
    expect(await tasks(project)).toEqual({ a: 1, b: 2 });
    await call("task.restore", { project, id: two });
    expect(await tasks(project)).toEqual({ a: 1, b: 3 });
    await call("task.update", { project, id: one, categories: [] });
    expect(await tasks(project)).toEqual({ a: 1, b: 2 });
    expect(await call("queue.purge", { project, name: queue })).toEqual({ purged: 3 });
    expect(await tasks(project)).toEqual({ a: 0, b: 1 });
    await call("queue.delete", { project, name: queue, force: true });
    expect(await tasks(project)).toEqual({ a: 0, b: 0 });
  });

  test("the same before upkeep has folded them and after", async () => {
    const project = await planted(["a"]);
    await call("task.enqueueMany", { project, queue: "q", tasks: Array(5).fill({ categories: ["a"] }) });
    const before = await tasks(project);
    expect(before).toEqual({ a: 5 });
    for (;;) {
      expect(await tasks(project)).toEqual(before);
      if ((await race.client.query("select from category_delta")).rowCount === 0) break;
      await Bun.sleep(20);
    }
    const { rows } = await race.client.query("select tasks from category where name = 'a' and tasks = 5");
    expect(rows).toHaveLength(1);
  });

  test("a task moved between categories by many at once is in one of them in the end", async () => {
    const names = ["a", "b", "c"];
    const project = await planted(...names.map((name) => [name] as const));
    const { id } = await call("task.enqueue", { project, queue: "q" });
    await Promise.all(
      Array.from({ length: 30 }, (_, n) => call("task.update", { project, id, categories: [names[n % 3]!] }, n % 2)),
    );
    const { categories } = await call("task.get", { project, id });
    expect(categories).toHaveLength(1);
    expect(await tasks(project)).toEqual({ a: 0, b: 0, c: 0, [categories[0]!]: 1 });
  });
});

test("with a requestId a repeat answers what the first answered, and does nothing", async () => {
  const project = await planted(["root"]);
  const twice = async <M extends keyof Contract>(method: M, params: Contract[M]["params"]) => {
    const first = await call(method, params);
    expect(await call(method, params, 1)).toEqual(first);
  };
  await twice("category.create", { project, name: "a", parent: "root", requestId: "1" });
  await twice("category.update", { project, name: "a", newName: "b", requestId: "2" });
  await twice("category.delete", { project, name: "b", requestId: "3" });
  expect(await tree(project)).toBe("root");
  expect(await call("category.create", { project, name: "a", parent: "root", requestId: "1" })).toMatchObject({
    name: "a",
  });
  expect(await tree(project)).toBe("root");
  const other = call("category.create", { project, name: "c", requestId: "1" });
  expect(await refusal(other)).toEqual(conflict("requestId"));
});
