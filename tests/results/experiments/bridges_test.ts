import { assert, assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { join } from "node:path";
import { type BridgedConfig, type BridgeName, bridges, definedCells } from "../../../algorithms/bridges/mod.ts";
import { decodeCheckpoint } from "../../../algorithms/engine/checkpoint.ts";
import { renderFigure } from "../../../data/show/figure.ts";
import { type Cell, cellFolder } from "../../../results/cells/cell.ts";
import type { Evaluation } from "../../../results/cells/record.ts";
import { answerClaims } from "../../../results/report/claims.ts";
import {
  bridgeClaims,
  type BridgeRun,
  isStudent,
  varianceShares,
} from "../../../results/experiments/bridges/claims.ts";
import { bridgeLabel, distancesToData } from "../../../results/experiments/bridges/offline.ts";
import {
  bridgeOfflineClaims,
  bridgeOfflineFigures,
  type BridgeOfflineRun,
  bridgeOfflineSection,
  bridgeOfflineSummary,
  weightsTable,
} from "../../../results/experiments/bridges/offline_section.ts";
import { bridgeFigures, bridgeSummary, bridgeTable } from "../../../results/experiments/bridges/section.ts";
import {
  bridgeBandit,
  bridgeMetrics,
  type BridgeResult,
  leftBecause,
  nearestModes,
} from "../../../results/experiments/bridges/study.ts";
import { bridgeTeacher } from "../../../results/experiments/bridges/teacher.ts";
import { planCells } from "../../../results/plan.ts";
import { withFolder } from "../../folder.ts";
import { changeCell, train } from "../cells.ts";
import { syntheticEvaluation } from "../synthetic.ts";

const task = "8gaussians-east";

Deno.test("varianceShares() gives an additive grid wholly to rows and columns, and none of what they do together", () => {
  const [rows, columns] = [[0, 1, 2], [0, 10]];
  const { teacher, bridge } = varianceShares(rows.map((r) => columns.map((c) => r + c)));
  assertAlmostEquals(teacher + bridge, 1, 1e-12);
  assertAlmostEquals(teacher, (2 / 3) / (2 / 3 + 25), 1e-12);
  assertEquals(varianceShares([[1, -1], [-1, 1]]), { teacher: 0, bridge: 0 });
  assertEquals(varianceShares([[3, 3], [3, 3]]), { teacher: 0, bridge: 0 });
});

for (
  const [name, modes, best] of [[task, 8, 1 / 8], ["25gaussians-far", 25, 4 / 25], [
    "25gaussians-near",
    25,
    1 / 25,
  ]] as const
) {
  Deno.test(`bridgeMetrics() of ${name}: its own data cover all modes, and one mode's data cover one`, () => {
    const { bandit, mixture } = bridgeBandit(name);
    const tenth = bandit.actions.filter((_, i) => (i >> 1) % 10 === 0);
    const own = bridgeMetrics(bandit, mixture, tenth);
    assertEquals([own.covered, own.nearestMax], [1, 0]);
    assertAlmostEquals(own.best, best, 0.03);
    const of = nearestModes(mixture, bandit.actions);
    const one = bandit.actions.filter((_, i) => (i >> 1) % 10 === 0 && of[i >> 1] === modes - 1);
    const { covered } = bridgeMetrics(bandit, mixture, one);
    assertAlmostEquals(covered, 1 / modes, 1e-12);
  });
}

Deno.test("bridgeBandit() of east pays for how far east an action is, and one mode is best", () => {
  const { bandit, mixture } = bridgeBandit(task);
  assertEquals(bridgeMetrics(bandit, mixture, [2.8, 0]).best, 1);
  assertEquals(bridgeMetrics(bandit, mixture, [2, 2]).best, 0);
  assertEquals(Math.min(...bandit.rewards), 0);
});

Deno.test("leftBecause() says how many samples are at the bound, from half of them", () => {
  assertEquals(leftBecause([4, 0, -1, 4, 0, 0], 4), "67 % of samples at the bound");
  assertEquals(leftBecause([4, 0, -1, 3, 0, 0], 4), null);
});

Deno.test("distancesToData() looks for the nearest action among those of the nearest states alone", () => {
  const [others, taken] = [Float32Array.of(0, 1, 9), Float32Array.of(0, 0, 0, 2, 5, 5)]; // The last state is far.
  const of = (action: number[], count: number) =>
    distancesToData(Float32Array.of(0.4), action, others, taken, [1, 2], count);
  assertEquals(of([5, 5], 2), [(25 + 9) / 2]);
  assertEquals(of([5, 5], 1), [25]);
  assertEquals(of([5, 5], 3), [0]);
});

/** A grid of runs of three seeds whose numbers are known: bridges earn 0 to 6, teachers a hundredth of their place. */
function runs(): BridgeRun[] {
  const cells = planCells("standard", { only: "bridges" }, "onnx", "");
  const names = Object.keys(bridges);
  return cells.map((cell) => {
    const { teacher, bridge, valueWeight } = cell.config as unknown as {
      teacher: string;
      bridge: BridgeName;
      valueWeight: number;
    };
    const place = names.indexOf(bridge);
    const metrics = {
      nearestMean: 0.1,
      nearestMax: 1,
      reward: place + 0.01 * ["ddpm", "edm", "vp", "flow", "none"].indexOf(teacher) + 0.001 * cell.seed,
      covered: valueWeight > 0 ? 0.5 : place < 2 ? 0.25 : 1,
      best: place < 2 ? 0.9 : 0.2,
    };
    return { cell, trainingMs: 1000, result: { diverged: null, samples: [0, 0, 1, 1], metrics } } as BridgeRun;
  });
}

const answer = (id: string, of: readonly BridgeRun[]) => bridgeClaims.find((claim) => claim.id === id)!.measure(of);

Deno.test("the claims of bridges measure coverage, the best mode and shares of variance, seed by seed", () => {
  const all = runs();
  const seeds = (id: string, of = all) => answer(id, of)[0].seeds.map((x) => Number(x.toFixed(6)));
  assertEquals(seeds("bridges-trust-region-seeks"), [0.25, 0.25, 0.25]);
  assertEquals(seeds("bridges-others-cover"), [1, 1, 1]);
  assertEquals(seeds("bridges-seeking-finds-the-best"), [0.7, 0.7, 0.7]);
  assert(answer("bridges-over-teachers", all)[0].ours.mean > 0.999);
});

Deno.test("the claims of bridges say nothing of a grid that is not whole, and a diverged cell counts as nothing", () => {
  const all = runs();
  const isOne = ({ cell: { config, algorithm, seed } }: BridgeRun) =>
    algorithm === "bridged" && seed === 1 && JSON.stringify(config).includes('"teacher":"edm","bridge":"trust region"');
  assertEquals(answer("bridges-trust-region-seeks", all.filter((run) => !isOne(run)))[0].seeds, [0.25, 0.25]);
  const diverged = all.map((run): BridgeRun =>
    isOne(run)
      ? { ...run, result: { diverged: "a loss was no finite number at update 7", samples: [], metrics: null } }
      : run
  );
  assertEquals(answer("bridges-trust-region-seeks", diverged)[0].seeds, [0.1875, 0.25, 0.25]);
  const { rows } = bridgeTable(diverged, []);
  const [row] = rows.filter(([, student, teacher, bridge]) =>
    student === "Without a value" && teacher === "EDM" && bridge === "Trust region"
  );
  assertEquals(row.at(-1), "seed 1 diverged: a loss was no finite number at update 7");
});

Deno.test("the plan of bridges has each defined cell with a value and without, students of as many updates, and the teachers", () => {
  const cells = planCells("quick", { only: "bridges" }, "onnx", "");
  assertEquals(cells.length, 2 * definedCells().length + 4);
  const student = cells.filter(({ algorithm }) => algorithm === "bridged").map(({ config }) => {
    const { teacherUpdates, criticUpdates } = config as typeof config & Record<string, number>;
    return config.updates - teacherUpdates - criticUpdates;
  });
  assertEquals(new Set(student).size, 1);
});

Deno.test("the section of bridges draws the whole grid as one picture for each condition, and sums it up", async () => {
  const all = runs();
  const figures = bridgeFigures(all);
  assertEquals(Object.keys(figures), [`bridges_${task}_imitation`, `bridges_${task}_value`]);
  const { svg } = await renderFigure(figures[`bridges_${task}_value`]);
  assertEquals(svg.match(/Trust region</g)!.length, 5);
  assertEquals(svg.match(/>undefined</g)!.length, 5); // Four bridges and the sampler without a teacher.
  assertEquals(bridgeSummary(all).rows.length, 2 * (7 + 2));
});

/** A cell of the grid, tiny. */
const tiny = (change: object, more: Partial<Cell> = {}): Cell =>
  changeCell(planCells("smoke", { only: "bridges" }, "onnx", "")[0], change, more);
const readTensors = async (path: string) => decodeCheckpoint(await Deno.readFile(path)).tensors;

Deno.test("cells of a row train on one teacher, and all cells on one critic, which are made once", async () => {
  await withFolder(async (root) => {
    const shared = join(root, "runs", "smoke", "bridges", task, "shared");
    const made = async () => {
      const files: string[] = [];
      for await (const { name } of Deno.readDir(shared)) {
        for await (const file of Deno.readDir(join(shared, name, "seed_0"))) files.push(`${name} ${file.name}`);
      }
      return files.sort();
    };
    const teacherOf = async (cell: Cell) => {
      const tensors = await readTensors(join(cellFolder(root, cell), "checkpoint.safetensors"));
      return [...tensors].filter(([path]) => /^(teacherModel|criticTarget)/.test(path)).map((
        [path, { data }],
      ) => [path, `${data}`]);
    };
    const first = tiny({ bridge: "score" });
    await train(first, root);
    const files = await made();
    assertEquals(files.map((name) => name.split(" ")[1]).sort(), ["critic.safetensors", "teacher.safetensors"]);
    const second = tiny({ bridge: "kl", bridgeWeight: 3 });
    await train(second, root);
    assertEquals(await made(), files);
    assertEquals(await teacherOf(second), await teacherOf(first));
    await train(tiny({ teacher: "flow", bridge: "paired" }), root);
    assertEquals((await made()).length, 3); // A further teacher, no further critic.
  });
});

Deno.test("a student whose loss is no finite number ends its cell, which says at which update", async () => {
  await withFolder(async (root) => {
    const { result } = await train(tiny({ bridgeWeight: 3e38 }), root) as Evaluation<BridgeResult>;
    assertMatch(result.diverged!, /^a loss was no finite number at update \d+$/);
    assertEquals([result.samples, result.metrics], [[], null]);
  });
});

Deno.test("bridge_teacher acts within bounds by its sampler, and refuses no teacher", async () => {
  const [cell] = planCells("quick", { only: "bridges", algorithm: "bridge_teacher" }, "onnx", "");
  await withFolder(async (root) => {
    const short = changeCell(cell, { teacherUpdates: 20, criticUpdates: 20, updates: 40, hidden: 16 }, {
      evaluation: { episodes: 50, candidates: 1 },
    });
    const { result } = await train(short, root) as Evaluation<BridgeResult>;
    const { spec } = bridgeBandit(task);
    assert(result.samples.length === 100 && result.samples.every((x) => Math.abs(x) <= spec.maxAction + 0.01));
    const none = { ...short.config, teacher: "none" } as unknown as BridgedConfig;
    assertThrows(() => bridgeTeacher.create(none, spec), RangeError, "teacher must be one, current value is none");
  });
});

/** The grid on datasets, three seeds: teachers score 40 alone and 50 of several, students 47 less their bridge's place. */
function offlineRuns(only: string): BridgeOfflineRun[] {
  return planCells("standard", { only }, "onnx", "").map((cell): BridgeOfflineRun => {
    const { bridge, bridgeWeight } = cell.config as unknown as BridgedConfig;
    const label = bridgeLabel(cell);
    const { environment, ...rest } = syntheticEvaluation({ ...cell, algorithm: "bridged" }, [
      cell.algorithm === "bridged"
        ? { score: 47 - Object.keys(bridges).indexOf(bridge) - 0.01 * bridgeWeight, actMs: 0.1 }
        : { score: 40, actMs: 2 },
      ...(cell.algorithm === "bridged" ? [] : [{ candidates: 16, score: 50, actMs: 9 }]),
    ]);
    const rules = environment!.rules.map((played) => ({
      ...played,
      rule: { ...played.rule, label: played.rule.id === "own" ? label : `${label}, ${played.rule.label}` },
    }));
    const result = { diverged: null, distance: 0.2, data: 0.1 };
    return { ...rest, cell, environment: { ...environment!, rules }, result };
  });
}

Deno.test("the section of bridges_offline pairs each student with its teacher of 16 candidates", async () => {
  const all = offlineRuns("bridges_offline");
  const some = all.filter(({ cell: { task, config } }) =>
    task === "hopper-medium-replay-local" && ["flow", "none"].includes((config as BridgedConfig).teacher)
  );
  const { tables, figures } = bridgeOfflineSection(some, []);
  const { rows, columns } = tables.bridges_offline;
  assertEquals(rows.length, 7 + 3);
  const of = (teacher: string, bridge: string, column: string) =>
    rows.find((row) => row[1] === teacher && row[2] === bridge)![columns.indexOf(column)];
  const students = some.filter(isStudent).map(({ cell }) => cell.config as BridgedConfig);
  const weightOf = (name: BridgeName) => students.find(({ bridge }) => bridge === name)!.bridgeWeight;
  assertEquals(
    of("Flow", "Paired regression", "less the teacher's"),
    (47 - 3 - 0.01 * weightOf("paired") - 50).toFixed(1),
  );
  assertEquals(of("None (data)", "Completion", "less the teacher's"), "");
  assertEquals(of("Flow", "KL", "seeds"), "3");
  const { svg } = await renderFigure(figures.bridges_offline_distance);
  assert(Object.keys(bridges).every((name) => svg.includes(bridges[name as BridgeName].title)));
  const kept = bridgeOfflineClaims[0].measure(all);
  assertEquals(kept.map(({ task }) => task), ["hopper-medium-replay-local", "halfcheetah-medium-local"]);
  const weights = Object.keys(bridges).map((name) => weightOf(name as BridgeName));
  assertAlmostEquals(kept[0].ours.mean, 47 - 3 - 0.01 * weights.reduce((a, b) => a + b) / 7 - 50, 1e-9);
  assert(bridgeOfflineClaims[1].measure(all)[0].ours.mean > 0.99);
});

Deno.test("retention is decided where the four teachers together have learnt", () => {
  const all = offlineRuns("bridges_offline").filter(({ cell }) => cell.task === "hopper-medium-replay-local");
  const verdict = (dataMean: number, clone: number, ddpm = 50) => {
    const clones = [0, 1, 2].map((seed) =>
      syntheticEvaluation({ experiment: "srpo", algorithm: "bc", task: "hopper-medium-replay-local", seed }, [
        { score: clone, actMs: 0.1 },
      ])
    );
    const [low, high] = [-20.272305, 3234.3];
    for (const { environment, cell } of all) {
      environment!.datasetMean = low + dataMean / 100 * (high - low);
      if (isStudent({ cell }) || (cell.config as unknown as BridgedConfig).teacher !== "ddpm") continue;
      const judged = environment!.rules.find(({ rule }) => rule.id === "softmax")!;
      judged.scores = judged.scores.map(() => ddpm);
    }
    const found = answerClaims([...all, ...clones] as Evaluation[], () => "");
    return found.find(({ claim }) => claim.id === "bridges-retention")!;
  };
  assertEquals(verdict(40, 48).why, "");
  assertEquals(verdict(40, 48, 46).why, "", "one below cloning, all four above");
  assertMatch(verdict(40, 60).why, /^the baseline has not learnt: Teacher [\d.]+, BC [\d.]+$/);
  assertEquals(verdict(60, 48).verdict, "undecided");
});

Deno.test("the summary of bridges_offline is over teachers, and its picture has every student and teacher", async () => {
  const all = offlineRuns("bridges_offline");
  const { rows, columns } = bridgeOfflineSummary(all);
  assertEquals(rows.length, 2 * (7 + 2));
  const of = (name: string, column: string) => Number(rows.find((row) => row[1] === name)![columns.indexOf(column)]);
  const score = (bridge: string) => of(bridge, "score") + 0.01 * of(bridge, "weight");
  assertAlmostEquals(score("Score") - score("KL"), 1, 0.11);
  assertAlmostEquals(of("KL", "less the teacher's"), 47 - 2 - 0.01 * of("KL", "weight") - 50, 0.051);
  assertEquals([of("% of variance: bridge", "score"), of("% of variance: teacher", "score")], [100, 0]);
  const { svg } = await renderFigure(bridgeOfflineFigures(all).bridges_offline_scores);
  assertEquals(svg.match(/>\d+\.\d</g)!.length, 2 * (4 * 7 + 3 + 4), "students and teachers");
  assert(Object.keys(bridges).every((name) => svg.includes(bridges[name as BridgeName].title.split(" ")[0])));
});

Deno.test("bridge_weights tries as many weights of each bridge and marks the best one", () => {
  const { rows } = weightsTable(offlineRuns("bridge_weights"), []);
  assertEquals(rows.length, 2 * 7 * 6);
  assertEquals(rows.filter((row) => row.at(-1) === "yes").map((row) => row[3]), Array(14).fill("0.01"));
});
