import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { type Cell, cellFolder } from "../../../results/cells/cell.ts";
import { putAside } from "../../../results/cells/put_aside.ts";
import { findEvaluation } from "../../../results/cells/record.ts";
import { lockFolder } from "../../../results/cells/run_folder.ts";
import { keepStages } from "../../../results/cells/stages.ts";
import { loadEvaluations } from "../../../results/notebook.ts";
import { ndarray } from "../../../algorithms/engine/array.ts";
import { hostName } from "../../../tools/files.ts";
import { withFolder } from "../../folder.ts";
import { outcome, tinyCell, train } from "../cells.ts";
import { lastLine, reproduce, textOf } from "../reproduce.ts";
import { syntheticEvaluation } from "../synthetic.ts";

const evaluationOf = (seed: number) =>
  syntheticEvaluation({ experiment: "dtql", algorithm: "dtql", task: "hopper-medium-replay-local", seed }, [
    { score: 40, actMs: 0.1 },
  ]);

async function writeEvaluation(root: string, cell: Cell, text: string) {
  const folder = cellFolder(root, cell);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "evaluation.json"), text);
}

Deno.test("findEvaluation() takes an evaluation of its cell, and names any other file", () =>
  withFolder(async (root) => {
    const evaluation = evaluationOf(0);
    const { cell } = evaluation;
    const find = () => findEvaluation(root, cell, "anything");
    assertEquals(await find(), { evaluation: null, problem: null });
    await writeEvaluation(root, cell, JSON.stringify(evaluation));
    assertEquals(await find(), { evaluation, problem: null });
    for (
      const [text, why] of [
        ["{}", 'evaluation.json": cell must be an object, current is missing'],
        ["[]", "it must be an object, current is a list"],
        [JSON.stringify(evaluation).slice(0, 200), "it must be JSON"],
        [JSON.stringify({ ...evaluation, updates: "6" }), "updates must be a number, current is 6"],
        [JSON.stringify(evaluationOf(1)), "its cell's seed must be 0, current is 1; it is another cell's"],
      ]
    ) {
      await writeEvaluation(root, cell, text);
      const { evaluation, problem } = await find();
      assertEquals(evaluation, null);
      assertStringIncludes(problem!, why);
    }
  }));

Deno.test("loadEvaluations() passes over a damaged file and keeps the good ones", () =>
  withFolder(async (root) => {
    for (const seed of [0, 1]) await writeEvaluation(root, evaluationOf(seed).cell, JSON.stringify(evaluationOf(seed)));
    await writeEvaluation(root, evaluationOf(2).cell, "{}");
    assertEquals((await loadEvaluations(root)).map(({ cell }) => cell.seed), [0, 1]);
  }));

Deno.test("trainCell() evaluates again from the checkpoint where evaluation.json is damaged", () =>
  withFolder(async (root) => {
    await train(tinyCell, root);
    const whole = await outcome(root, tinyCell);
    await Deno.writeTextFile(join(cellFolder(root, tinyCell), "evaluation.json"), "{}");
    await train(tinyCell, root);
    assertEquals(await outcome(root, tinyCell), whole);
  }));

Deno.test("trainCell() refuses a checkpoint of another seed", () =>
  withFolder(async (root) => {
    await train(tinyCell, root);
    const other = { ...tinyCell, seed: 1 };
    await Deno.mkdir(cellFolder(root, other), { recursive: true });
    const name = "checkpoint.safetensors";
    await Deno.copyFile(join(cellFolder(root, tinyCell), name), join(cellFolder(root, other), name));
    const { message } = await train(other, root).then(() => new Error("it trained"), (error) => error);
    assertStringIncludes(message, "checkpoint.safetensors\": its seed must be 1, current is 0; it is another run's");
  }));

Deno.test("keepStages() computes again what is damaged or another stage's, and keeps the rest", () =>
  withFolder(async (folder) => {
    const computed: string[] = [];
    const compute = async () => {
      const stage = await keepStages(folder, () => {});
      for (const name of ["one", "two"]) {
        await stage(name, () => {
          computed.push(name);
          return Promise.resolve({ x: ndarray([name.length], [1]) });
        });
      }
      return computed.splice(0);
    };
    assertEquals(await compute(), ["one", "two"]);
    assertEquals(await compute(), []);
    const at = (name: string) => join(folder, `${name}.safetensors`);
    await Deno.writeTextFile(at("one"), "no tensors");
    assertEquals(await compute(), ["one"]);
    await Deno.copyFile(at("one"), at("two"));
    assertEquals(await compute(), ["two"]);
  }));

Deno.test("putAside() moves what is there and deletes nothing, or refuses where a process trains", () =>
  withFolder(async (root) => {
    const cells = [0, 1, 2].map((seed) => evaluationOf(seed).cell);
    assertEquals(await putAside(root, cells), null);
    for (const cell of cells.slice(0, 2)) await writeEvaluation(root, cell, "kept");
    const held = await lockFolder(cellFolder(root, cells[1]));
    const { message } = await putAside(root, cells).then(() => new Error("it moved"), (error) => error);
    assertStringIncludes(message, `seed 1 again: process ${Deno.pid} on ${hostName()} trains it`);
    assert((await Deno.stat(cellFolder(root, cells[0]))).isDirectory);
    held![Symbol.dispose]();
    const aside = await putAside(root, cells);
    const files = async (folder: string): Promise<string[]> =>
      (await Array.fromAsync(
        Deno.readDir(folder),
        async ({ name, isDirectory }) =>
          isDirectory ? await files(join(folder, name)) : [await Deno.readTextFile(join(folder, name))],
      )).flat();
    assertEquals((await files(aside!)).filter((text) => text === "kept"), ["kept", "kept"]);
    assertEquals(await files(join(root, "runs")), []);
  }));

Deno.test("lockFolder() of a folder that was put aside meanwhile holds the new one", () =>
  withFolder(async (root) => {
    const folder = join(root, "runs", "x");
    await Deno.mkdir(folder, { recursive: true });
    const first = await lockFolder(folder);
    await Deno.rename(folder, join(root, "moved"));
    first![Symbol.dispose]();
    await Deno.mkdir(folder);
    const second = await lockFolder(folder);
    assertEquals(await lockFolder(folder), null);
    second![Symbol.dispose]();
    assertEquals([...Deno.readDirSync(folder)], []);
    assertEquals(await Deno.readTextFile(join(root, "moved", "lock")), ""); // No name stays.
  }));

Deno.test("reproduce names a damaged evaluation, counts its cell as not done and reports the others", () =>
  withFolder(async (root) => {
    const args = ["--profile", "smoke", "--only", "bandits", "--out", root];
    assertEquals((await reproduce(args).output()).code, 0);
    const find = (folder: string): string[] =>
      [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
        isDirectory ? find(join(folder, name)) : name === "evaluation.json" ? [join(folder, name)] : []
      );
    const [path] = find(join(root, "runs"));
    await Deno.writeTextFile(path, "{}");
    const { code, stdout, stderr } = await reproduce([...args, "--report"]).output();
    assertEquals(code, 1); // One of two.
    assertStringIncludes(textOf(stderr), `Cannot read "${path}": cell must be an object`);
    assertStringIncludes(lastLine(stdout), "1 of 2 cells");
    const again = await reproduce([...args, "--fresh"]).output();
    assertEquals(again.code, 0, textOf(again.stderr));
    assertStringIncludes(textOf(again.stdout), "1 of 2 cells are done already; they are put aside and trained again");
    assertStringIncludes(lastLine(again.stdout), "2 of 2 cells");
    assertEquals(find(join(root, "replaced")).length, 2);
  }));
