import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import { bc } from "../../../algorithms/bc.ts";
import type { Agent } from "../../../algorithms/core/agent.ts";
import { initMaf, logDensities } from "../../../algorithms/core/maf.ts";
import { normalizeObservations } from "../../../algorithms/core/normalization.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { ndarray } from "../../../algorithms/engine/array.ts";
import { iql } from "../../../algorithms/iql.ts";
import { avPbc } from "../../../algorithms/offline_behavior_distillation/mod.ts";
import { drawBatch, loadTransitions } from "../../../data/d4rl.ts";
import { makeLocalDataset } from "../../../data/local.ts";
import { localRecipes } from "../../../data/recipes.ts";
import { decodeCheckpoint } from "../../../algorithms/engine/checkpoint.ts";
import { type Cell, cellFolder } from "../../../results/cells/cell.ts";
import { disturbed } from "../../../results/experiments/distillation/disturbed.ts";
import { substitution } from "../../../results/experiments/distillation/substitution.ts";
import type { DistillationRun } from "../../../results/experiments/distillation/section.ts";
import { planCells } from "../../../results/plan.ts";
import { withFolder } from "../../folder.ts";
import { changeCell, train } from "../cells.ts";

const near = (got: readonly number[], wanted: readonly number[]) => {
  assertEquals(got.length, wanted.length);
  got.forEach((x, i) => assertAlmostEquals(x, wanted[i], 1e-6 * Math.max(1, Math.abs(wanted[i]))));
};

Deno.test("distillationStudy: a cell that was stopped ends as one left alone, and BC learns from its exported pairs", () =>
  withFolder(async (folder) => {
    const recipe = localRecipes["hopper-medium-replay-local"];
    await makeLocalDataset({ ...recipe, transitions: 4000 }, join(folder, `${recipe.id}.hdf5`));
    const [planned] = planCells("smoke", { only: "exponents", algorithm: "sdw_obd" }, "onnx", folder);
    const cell = { ...planned, checkpointMs: 0 };
    const [alone, stopped] = [join(folder, "alone"), join(folder, "stopped")];
    const whole = await train(cell, alone) as DistillationRun;
    await Deno.mkdir(cellFolder(stopped, cell), { recursive: true });
    await Deno.copyFile(
      join(cellFolder(alone, cell), "checkpoint.previous.safetensors"),
      join(cellFolder(stopped, cell), "checkpoint.safetensors"),
    );
    const resumed = await train(cell, stopped) as DistillationRun;
    assertEquals(resumed.result.projection, whole.result.projection);
    const policy = (root: string) => Deno.readFile(join(cellFolder(root, cell), "policy.onnx"));
    assertEquals(await policy(stopped), await policy(alone));
    const sampled = changeCell(cell, { teacherActions: "sampled" });
    await train(sampled, stopped);
    const pairsOf = async (of: Cell) => {
      const bytes = await Deno.readFile(join(cellFolder(stopped, of), "checkpoint.safetensors"));
      return decodeCheckpoint(bytes).tensors.get("pairs/action")!.data;
    };
    assertNotEquals(await pairsOf(sampled), await pairsOf(cell));

    const { heldOut, effectiveShare } = whole.result;
    assert(Number.isFinite(heldOut!.flow) && Number.isFinite(heldOut!.gaussian) && effectiveShare < 1);
    const late = whole.environment!.rules.find(({ rule }) => rule.id === "disturbed")!;
    assertEquals([late.episodes.length, late.rule.setting], [4, "exponent 1"]); // Two students, two episodes.
    const errors = whole.result.densityErrors!;
    assertEquals(resumed.result.densityErrors, errors);
    assert(errors.length === 10 && errors.every((x) => x > 0), `${errors}`);

    const path = join(cellFolder(alone, cell), "pairs.hdf5");
    const data = await loadTransitions(path);
    assertEquals([data.count, data.observationDim, data.actionDim], [8, 11, 3]);
    const lines = (await Deno.readTextFile(path.replace(".hdf5", ".csv"))).trim().split("\n");
    assertEquals(lines.length, 9);
    near(lines[8].split(",").map(Number), [...data.observation.slice(-11), ...data.action.slice(-3)]);
    const bounded = { ...data, action: data.action.map((x) => Math.min(Math.max(x, -0.9), 0.9)) };
    const agent = bc.create({ ...bc.defaults }, { ...data, maxAction: 1 });
    let state = agent.init(createRng("bc"));
    const losses: number[] = [];
    for (let k = 0; k < 200; k++) {
      const result = await agent.update(state, drawBatch(bounded, 64, createRng(`${k}`)), createRng("noise"));
      state = result.state;
      losses.push(result.metrics.policyLoss);
    }
    assert(losses[199] < losses[0] / 5, `${losses[0]} to ${losses[199]}`);
  }));

Deno.test("substitution: the teacher acts in the rarest states, or in as many random ones, and the student elsewhere", async () => {
  const spec = {
    observationDim: 3,
    actionDim: 2,
    maxAction: 1,
    observationStatistics: { mean: [1, 0, 0], standardDeviation: [2, 1, 1] },
  };
  const student = { ...avPbc.defaults, hidden: 8 };
  const teacher = { ...iql.defaults, hidden: 8 };
  const [one, other] = [avPbc.create(student, spec), iql.create(teacher, spec)];
  const arrays = {
    student: one.init(createRng("student")).arrays,
    teacher: other.init(createRng("teacher")).arrays,
    flow: initMaf(3, { blocks: 2, hidden: 8 }, createRng("flow")),
  };
  const rows = 400;
  const observation = ndarray(createRng("states").fillNormal(new Float32Array(3 * rows)), [rows, 3]);
  const actionsOf = async (agent: Agent, arrays: unknown) =>
    (await agent.act({ updates: 0, arrays }, observation, 1, createRng("act"))).data;
  const [own, wanted] = [await actionsOf(one, arrays.student), await actionsOf(other, arrays.teacher)];
  const states = normalizeObservations(observation.data as Float32Array, spec.observationStatistics);
  const densities = await logDensities(arrays.flow, states, rows);
  const threshold = densities.toSorted()[rows / 10];
  const replaced = async (where: "rare" | "random", share: number, limit = threshold) => {
    const config = { ...substitution.defaults, student, teacher: { name: "iql", config: teacher }, where, share };
    const data = await actionsOf(substitution.create(config, spec), { ...arrays, threshold: ndarray([limit], [1]) });
    return Array.from({ length: rows }, (_, row) => {
      const same = (of: ArrayLike<number>) => [0, 1].every((d) => data[2 * row + d] === of[2 * row + d]);
      assert(same(own) || same(wanted));
      return same(wanted);
    });
  };
  assertEquals(await replaced("rare", 0.1), Array.from(densities, (x) => x < threshold));
  assertEquals((await replaced("rare", 0.1, -1e30)).filter(Boolean).length, 0);
  assertEquals((await replaced("rare", 0.1, 1e30)).filter(Boolean).length, rows);
  const random = (await replaced("random", 0.1)).filter(Boolean).length;
  assert(random > 0.05 * rows && random < 0.15 * rows, `${random}`);
});

Deno.test("disturbed: random steps first, the same for every student, then the student", async () => {
  const spec = {
    observationDim: 3,
    actionDim: 2,
    maxAction: 0.5,
    observationStatistics: { mean: [1, 0, 0], standardDeviation: [2, 1, 1] },
  };
  const student = { ...avPbc.defaults, hidden: 8 };
  const observation = ndarray(createRng("states").fillNormal(new Float32Array(12)), [4, 3]);
  const played = async (seed: string) => {
    const state = { updates: 0, arrays: avPbc.create(student, spec).init(createRng(seed)).arrays };
    const agent = disturbed.create({ ...disturbed.defaults, student, steps: 2 }, spec);
    const act = agent.startActing!(state, 4, createRng("episodes"));
    const actions = [];
    for (let k = 0; k < 4; k++) actions.push([...(await act(observation)).data as Float32Array]);
    const own = (await agent.act(state, observation, 1, createRng("own"))).data as Float32Array;
    return { actions, own: [...own] };
  };
  const [one, other] = [await played("one"), await played("other")];
  assertEquals(one.actions.slice(0, 2), other.actions.slice(0, 2));
  assertNotEquals(one.actions[0], one.actions[1]);
  assert(one.actions[0].every((x) => Math.abs(x) <= 0.5) && new Set(one.actions[0]).size === 8);
  assertEquals(one.actions.slice(2), [one.own, one.own]);
  assertNotEquals(one.own, other.own);
});
