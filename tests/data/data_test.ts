import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { RewardTransform } from "../../algorithms/core/config.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import {
  banditMetrics,
  banditRewards,
  banditSets,
  drawBanditBatch,
  makeBandit,
  shareNearModes,
} from "../../data/bandits.ts";
import {
  drawBatch,
  loadTransitions,
  qlearningDataset,
  returnRange,
  sequenceDataset,
  transformRewards,
} from "../../data/d4rl.ts";
import { readHdf5, writeHdf5 } from "../../data/hdf5.ts";
import { loadBehaviours } from "../../data/behaviours.ts";
import { makeLocalDataset } from "../../data/local.ts";
import { localRecipes } from "../../data/recipes.ts";
import { findTask } from "../../environments/mod.ts";
import { loadDataset, toDataset } from "../../data/dataset.ts";
import { datasetCard } from "../../data/card.ts";
import { exampleArrays, flags, floats } from "./example.ts";

Deno.test("qlearningDataset() drops rows at time limits and the last row, and takes the next row as successor", () => {
  const data = qlearningDataset(toDataset(exampleArrays(), new Map(), "test"));
  assertEquals(data.count, 4);
  assertEquals([...data.observation], [0, 0, 1, 1, 2, 2, 3, 3]);
  assertEquals([...data.nextObservation], [1, 1, 2, 2, 3, 3, 4, 4]);
  assertEquals([...data.terminal], [0, 1, 0, 0]);
  assertEquals([...data.reward], [1, 2, 4, 8]);
  assertEquals(data.episodeReturns, [3, 28]);
});

Deno.test("toDataset() names a missing, misshapen or non-finite array", () => {
  const without = exampleArrays();
  without.delete("rewards");
  assertThrows(
    () => toDataset(without, new Map(), "x"),
    Error,
    "rewards must be an array of rank 1, current is missing",
  );
  const long = exampleArrays().set("actions", floats([5, 1], [0, 0, 0, 0, 0]));
  assertThrows(
    () => toDataset(long, new Map(), "x"),
    Error,
    "actions must have 6 rows like observations, current is 5",
  );
  const nan = exampleArrays().set("rewards", floats([6], [1, 2, NaN, 8, 16, 32]));
  assertThrows(() => toDataset(nan, new Map(), "x"), Error, "rewards must be finite, row 2 is NaN");
});

Deno.test("writeHdf5() and readHdf5() round-trip arrays, groups and attributes", async () => {
  const path = await Deno.makeTempFile({ suffix: ".hdf5" });
  await writeHdf5(path, exampleArrays(), { origin: "here" });
  const file = await readHdf5(path);
  assertEquals([...file.arrays.keys()].sort(), [...exampleArrays().keys()].sort());
  for (const [name, { shape, data }] of exampleArrays()) {
    assertEquals([...file.arrays.get(name)!.shape], [...shape]);
    assertEquals([...file.arrays.get(name)!.data], [...data]);
  }
  assertEquals(file.attributes.get("origin"), "here");
  await Deno.remove(path);
});

Deno.test("readHdf5() refuses a missing, a wrong and a truncated file with a remedy", async () => {
  await assertRejects(() => readHdf5("/nowhere/x.hdf5"), Error, "the file must exist and be readable");
  const path = await Deno.makeTempFile({ suffix: ".hdf5" });
  await Deno.writeTextFile(path, "<html>404</html>");
  await assertRejects(() => readHdf5(path), Error, "it must be an HDF5 file");
  const big = floats([5000, 2], Array.from({ length: 10_000 }, (_, i) => Math.sin(i)));
  await writeHdf5(path, new Map([["observations", big]]));
  const whole = await Deno.readFile(path);
  for (const share of [0.3, 0.6, 0.95]) {
    await Deno.writeFile(path, whole.subarray(0, Math.floor(share * whole.length)));
    await assertRejects(() => readHdf5(path), Error, "it is cut short: it must have");
  }
  await Deno.remove(path);
});

Deno.test("makeLocalDataset() writes a D4RL-layout file, the same bytes each time", async () => {
  const folder = await Deno.makeTempDir();
  const recipe = {
    ...localRecipes["hopper-medium-replay-local"],
    behaviours: [{ kind: "policies", from: 0, to: 2, weightNoise: 0.025, actionNoise: 0.1 }],
    transitions: 600,
  } as const;
  await makeLocalDataset(recipe, `${folder}/a.hdf5`);
  await makeLocalDataset(recipe, `${folder}/b.hdf5`);
  const { arrays, attributes } = await readHdf5(`${folder}/a.hdf5`);
  assertEquals(attributes.get("origin"), "made locally; not a D4RL file");
  const again = await readHdf5(`${folder}/b.hdf5`);
  for (const [name, { data }] of arrays) assertEquals(data, again.arrays.get(name)!.data);
  const [observations, next] = ["observations", "next_observations"].map((name) => arrays.get(name)!.data);
  const [terminals, timeouts] = ["terminals", "timeouts"].map((name) => arrays.get(name)!.data);
  for (let i = 0; i < 599; i++) {
    if (terminals[i] || timeouts[i]) continue;
    assertEquals(next.subarray(11 * i, 11 * i + 11), observations.subarray(11 * i + 11, 11 * i + 22));
  }
  const data = await loadTransitions(`${folder}/a.hdf5`);
  assertEquals([data.observationDim, data.actionDim], [11, 3]);
  assert(data.episodeReturns.every((r) => r > 0));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("every local recipe names policies that exist, and a task that does", async () => {
  for (const { id, task, behaviours, transitions } of Object.values(localRecipes)) {
    assert(id.endsWith("-local") && transitions >= 200_000);
    findTask(task);
    for (const behaviour of behaviours) {
      if (behaviour.kind !== "policies") continue;
      const { snapshots } = await loadBehaviours(task);
      assert(behaviour.from <= behaviour.to && behaviour.to < snapshots.length, id);
    }
  }
});

// D4RL's mean returns, and how near ours come in a few episodes: 20 %, and three standard errors of the episodes.
const published = {
  "halfcheetah-medium-local": 4770,
  "halfcheetah-expert-local": 10656,
  "hopper-expert-local": 3511,
  "walker2d-medium-local": 2852,
  "walker2d-expert-local": 4921,
};
for (const [id, mean] of Object.entries(published)) {
  Deno.test(`${id}'s policy earns within 20 % of D4RL's mean return`, async () => {
    const folder = await Deno.makeTempDir();
    await makeLocalDataset({ ...localRecipes[id], transitions: 5000 }, `${folder}/x.hdf5`);
    const { episodeReturns } = await loadTransitions(`${folder}/x.hdf5`);
    const found = episodeReturns.reduce((a, b) => a + b) / episodeReturns.length;
    const spread = Math.sqrt(episodeReturns.reduce((sum, r) => sum + (r - found) ** 2, 0) / episodeReturns.length ** 2);
    console.log(`      ${found.toFixed(0)} ± ${spread.toFixed(0)}, D4RL ${mean}`);
    assert(Math.abs(found - mean) < 0.2 * mean + 3 * spread);
    await Deno.remove(folder, { recursive: true });
  });
}

for (const size of ["umaze", "medium", "large"]) {
  Deno.test(`the walking ant reaches antmaze-${size}'s goal, and its data say so`, async () => {
    const folder = await Deno.makeTempDir();
    await makeLocalDataset({ ...localRecipes[`antmaze-${size}-local`], transitions: 1500 }, `${folder}/x.hdf5`);
    const data = await loadDataset(`${folder}/x.hdf5`);
    const episodes = [...sequenceDataset(data)];
    const arrived = episodes.filter(({ ending }) => ending === "terminal");
    assert(arrived.length >= 2 && arrived.length >= episodes.length - 1, `${arrived.length} of ${episodes.length}`);
    for (const { start, end } of arrived) {
      assertEquals([...data.rewards.subarray(start, end)], [...Array(end - start - 1).fill(0), 1]);
    }
    assertEquals([data.observationDim, data.actionDim], [29, 8]);
    assert(data.actions.every((a) => Math.abs(a) <= 1));
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("drawBatch() draws rows that belong together, uniformly", () => {
  const data = qlearningDataset(toDataset(exampleArrays(), new Map(), "test"));
  const batch = drawBatch(data, 4000, createRng("batch"));
  const counts = new Array(4).fill(0);
  for (let i = 0; i < 4000; i++) {
    const row = batch.observation.data[2 * i];
    counts[row]++;
    assertEquals(batch.nextObservation.data[2 * i], row + 1);
    assertAlmostEquals(batch.action.data[i], row / 10, 1e-7);
  }
  for (const count of counts) assertAlmostEquals(count, 1000, 5 * Math.sqrt(750));
});

Deno.test("transformRewards() knows every rule", () => {
  const data = { reward: Float32Array.of(0, 1, 2), terminal: Float32Array.of(0, 1, 1) };
  const transformed = (rule: RewardTransform) => [...transformRewards(data, rule)];
  assertEquals(transformed("none"), [0, 1, 2]);
  assertEquals(transformed("iql_antmaze"), [-1, 0, 1]);
  assertEquals(transformed("cql_antmaze"), [-2, 2, 6]);
  assertEquals(transformed("rebrac_antmaze"), [0, 100, 200]);
  assertEquals(transformed("standardize"), [-1, 0, 1]); // The deviation of 0, 1, 2 is 1 as PyTorch has it.
  assertEquals(transformed("iql_locomotion"), [0, 1000, 2000]);
  const same = { reward: Float32Array.of(1, 1), terminal: Float32Array.of(1, 1) };
  assertThrows(() => transformRewards(same, "iql_locomotion"), RangeError, "returns must differ, all are 1");
  const unknown = "iql_locomotoin" as RewardTransform;
  assertThrows(() => transformRewards(same, unknown), RangeError, "must be one of none, iql_locomotion, iql_antmaze");
  const unfinished = { reward: Float32Array.of(1, 2), terminal: Float32Array.of(0, 0) };
  assertThrows(() => transformRewards(unfinished, "iql_locomotion"), RangeError, "returns must differ, there is none");
  for (const reward of [Float32Array.of(0.1, 0.1, 0.1), Float32Array.of(3)]) {
    const constant = { reward, terminal: new Float32Array(reward.length) };
    assertThrows(
      () => transformRewards(constant, "standardize"),
      RangeError,
      `they must differ, all ${reward.length} are`,
    );
  }
});

Deno.test("datasets of no rows, of one row and of nothing but ends are refused where transitions are made of them", () => {
  const dataset = (rows: number, terminals: number[], timeouts: number[]) =>
    toDataset(
      new Map([
        ["observations", floats([rows, 1], new Array(rows).fill(0))],
        ["actions", floats([rows, 1], new Array(rows).fill(0))],
        ["rewards", floats([rows], new Array(rows).fill(0))],
        ["terminals", flags(terminals)],
        ["timeouts", flags(timeouts)],
      ]),
      new Map(),
      "small",
    );
  assertThrows(() => dataset(0, [], []), RangeError, "it must have rows, current is none");
  const said = (n: string) => `Cannot make transitions of "small": a row must have a successor, of ${n} none has`;
  assertThrows(() => qlearningDataset(dataset(1, [0], [0])), RangeError, said("1 row"));
  assertThrows(() => qlearningDataset(dataset(3, [0, 0, 0], [1, 1, 1])), RangeError, said("3 rows"));
  assertEquals(qlearningDataset(dataset(3, [1, 1, 1], [0, 0, 0])).count, 2);
  assert(datasetCard(dataset(1, [0], [0])).toText().includes("1 (100 %): rows at time limits and the last one"));
});

Deno.test("returnRange() matches SRPO's golden row 13", () => {
  const reward = Float32Array.from({ length: 8 }, (_, i) => i + 1);
  const terminal = Float32Array.of(0, 0, 1, 0, 0, 0, 1, 0);
  assertEquals(returnRange({ reward, terminal }, 3), [6, 15]);
  assertEquals(returnRange({ reward, terminal }), [6, 22]);
});

Deno.test("25gaussians has 400 points at each of 25 centres, with deviation 0.3", () => {
  const points = banditSets["25gaussians"](10_000, createRng("set"));
  const counts = new Map<string, number>();
  let square = 0;
  for (let i = 0; i < 10_000; i++) {
    const centre = [0, 1].map((d) => 5 * Math.round(points[2 * i + d] / 5));
    counts.set(`${centre}`, (counts.get(`${centre}`) ?? 0) + 1);
    square += (points[2 * i] - centre[0]) ** 2;
  }
  assertEquals([...counts.values()], new Array(25).fill(400));
  assertAlmostEquals(Math.sqrt(square / 10_000), 0.3, 0.01);
  assertAlmostEquals(shareNearModes(points, 1), 0.996, 0.004); // 1 - exp(-1 / (2 0.3^2))
});

Deno.test("bandit sets lie where their sources put them", () => {
  const radius = (points: Float32Array) =>
    Array.from({ length: points.length / 2 }, (_, i) => Math.hypot(points[2 * i], points[2 * i + 1]));
  const roll = radius(banditSets.swissroll(5000, createRng("roll")));
  assert(Math.min(...roll) > 4 && Math.max(...roll) < 14.7);
  const eight = radius(banditSets["8gaussians"](5000, createRng("eight")));
  assertAlmostEquals(eight.reduce((a, b) => a + b) / 5000, 2.85, 0.05);
  const board = banditSets.checkerboard(5000, createRng("board"));
  for (let i = 0; i < 5000; i++) {
    const [x, y] = [Math.floor(board[2 * i] / 2), Math.floor(board[2 * i + 1] / 2)];
    assertEquals(((x + y) % 2 + 2) % 2, 0);
  }
  for (const set of Object.values(banditSets)) assert(set(100, createRng("finite")).every(Number.isFinite));
});

Deno.test("banditRewards() are far, near and hard", () => {
  const points = Float32Array.of(3, 4, 0, 0, -10, 10);
  const corner = Math.hypot(10, 10);
  [5, 0, corner].forEach((r, i) => assertAlmostEquals(banditRewards(points, "far")[i], r, 1e-5));
  [corner - 5, corner, 0].forEach((r, i) => assertAlmostEquals(banditRewards(points, "near")[i], r, 1e-5));
  [5, 0, 2 * corner].forEach((r, i) => assertAlmostEquals(banditRewards(points, "hard")[i], r, 1e-5));
});

Deno.test("banditMetrics() measure the nearest data action", () => {
  const bandit = { actions: Float32Array.of(0, 0, 3, 4), rewards: Float32Array.of(1, 5), maxAction: 4 };
  assertEquals(banditMetrics(bandit, [0, 1, 3, 4]), { nearestMean: 0.5, nearestMax: 1, reward: 3 });
  const batch = drawBanditBatch(makeBandit("25gaussians", "far", 100, createRng("b")), 8, createRng("c"));
  assertEquals([batch.action.shape, batch.reward.shape], [[8, 2], [8, 1]]);
});
