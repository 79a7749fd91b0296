import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import type { AnyAlgorithm } from "../../algorithms/core/agent.ts";
import { assertConfig, assertNames, type Limits, ranges, resolveConfig } from "../../algorithms/core/config.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { type TrainingData, trainSteps } from "../../algorithms/core/train.ts";
import * as registry from "../../algorithms/registry.ts";
import { makeBandit } from "../../data/bandits.ts";
import { knownTask } from "../../environments/tasks.ts";

const { bc, dtql, dql_kl: dqlKl, diffusion_ql: diffusionQl, iql, rebrac, srpo, td3_bc: td3Bc, bfq } = registry;

Deno.test("resolveConfig() joins defaults, the task's preset and overrides", () => {
  const config = resolveConfig(dtql, "hopper-medium-v2", { batchSize: 64 });
  assertEquals(config, {
    ...dtql.defaults,
    trustRegionWeight: 5,
    learningRate: 1e-4,
    schedule: "cosine",
    updates: 1_050_000,
    batchSize: 64,
  });
});

Deno.test("resolveConfig() refuses a task without a preset and names the nearest; none are the defaults", () => {
  const of = (algorithm: AnyAlgorithm, task: string) => () => resolveConfig(algorithm, task);
  assertThrows(
    of(dtql, "hoper-medium-v2"),
    RangeError,
    'Cannot configure dtql: it has no preset for "hoper-medium-v2"; did you mean "hopper-medium-v2"? Its defaults are the preset "none"',
  );
  assertThrows(of(srpo, "antmaze-umaze-v0"), RangeError, 'did you mean "antmaze-umaze-v2"?');
  assertThrows(of(iql, "maze2d-umaze-v1"), RangeError, 'no preset for "maze2d-umaze-v1"');
  assertThrows(of(bfq, "hopper-medium-v2"), RangeError, 'did you mean "none"?'); // Its published settings were not found.
  assertThrows(of(dtql, "constructor"), RangeError, 'no preset for "constructor"');
  for (const algorithm of Object.values<AnyAlgorithm>(registry)) {
    assertEquals(resolveConfig(algorithm, "none"), algorithm.defaults);
  }
  for (const algorithm of [bc, td3Bc]) assertEquals(of(algorithm, "any-task")(), algorithm.defaults); // One for all tasks.
});

Deno.test("resolveConfig() refuses unknown names, other kinds, numbers out of range and unknown words", () => {
  const refused = (overrides: object, message: string) =>
    assertThrows(() => resolveConfig(dtql, "none", { ...overrides }), RangeError, message);
  refused({ batchsize: 1 }, 'Cannot configure dtql: unknown setting "batchsize"; did you mean "batchSize"?');
  refused({ hidden: "64" }, 'Cannot configure dtql: hidden must be a number, current value is "64"');
  refused({ hidden: NaN }, "hidden must be a number, current value is NaN");
  refused({ hidden: 2.5 }, "hidden must be a positive integer, current value is 2.5");
  refused({ learningRate: Infinity }, "learningRate must be positive, current value is Infinity");
  refused({ batchSize: 0 }, "batchSize must be a positive integer, current value is 0");
  refused({ timeDim: 5 }, "timeDim must be even, at least 4, current value is 5");
  refused(
    { schedule: "linear" },
    'schedule must be one of constant, cosine, current value is "linear"; did you mean "cosine"?',
  );
  refused(
    { denoised: "clip" },
    'denoised must be one of clipped, free, current value is "clip"; did you mean "clipped"?',
  );
  refused({ rewardTransform: "standardise" }, 'did you mean "standardize"?');
  assertThrows(
    () => resolveConfig(diffusionQl, "none", { maxBackup: "yes" }),
    RangeError,
    'maxBackup must be a boolean, current value is "yes"',
  );
});

Deno.test("assertConfig() and assertNames() name a part's settings with its prefix", () => {
  type Part = { width: number; kind: "a" | "b" };
  const defaults: Part = { width: 1, kind: "a" };
  const limits: Limits<Part> = { width: ranges.count, kind: ["a", "b"] };
  assertConfig("build", { width: 2, kind: "b" } as Part, { defaults, limits }, "part.");
  assertThrows(
    () => assertConfig("build", { width: 0, kind: "b" } as Part, { defaults, limits }, "part."),
    RangeError,
    "Cannot build: part.width must be a positive integer, current value is 0",
  );
  assertThrows(
    () => assertNames("build", { widht: 1 }, defaults, "part."),
    RangeError,
    'Cannot build: unknown setting "part.widht"; did you mean "part.width"?',
  );
});

Deno.test("every preset's task is one that can be played, or a bandit", () => {
  const bandits = Object.keys(dtql.presets).filter((task) => /^(25gaussians|swissroll)-/.test(task));
  assertEquals(bandits.length, 5);
  for (const { presets } of Object.values<AnyAlgorithm>(registry)) {
    for (const task of Object.keys(presets)) if (task !== "none" && !bandits.includes(task)) knownTask(task);
  }
});

Deno.test("ReBRAC has the paper's 36 pairs of penalties, and the settings that go with them", () => {
  const { presets } = rebrac;
  assertEquals(Object.keys(presets).length, 36);
  const pair = (task: string) => {
    const { policyPenalty, criticPenalty } = resolveConfig(rebrac, task);
    return [policyPenalty, criticPenalty];
  };
  assertEquals(pair("hopper-medium-replay-v2"), [0.05, 0.5]);
  assertEquals(pair("walker2d-random-v2"), [0.01, 0]);
  assertEquals(pair("antmaze-medium-play-v2"), [0.001, 0.0005]);
  assertEquals(pair("relocate-human-v1"), [0.1, 0.01]);
  const rest = (task: string) => {
    const { learningRate, criticLearningRate, batchSize, discount, rewardTransform } = resolveConfig(rebrac, task);
    return [learningRate, criticLearningRate, batchSize, discount, rewardTransform];
  };
  assertEquals(rest("halfcheetah-full-replay-v2"), [1e-3, 1e-3, 1024, 0.99, "none"]);
  assertEquals(rest("antmaze-large-play-v2"), [3e-4, 5e-5, 256, 0.999, "rebrac_antmaze"]);
  assertEquals(rest("pen-expert-v1"), [3e-4, 3e-4, 256, 0.99, "none"]);
});

Deno.test("IQL, Diffusion-QL, OBD and the bandits have the published settings", () => {
  const { expectile, inverseTemperature, dropout, rewardTransform } = resolveConfig(iql, "kitchen-partial-v0");
  assertEquals([expectile, inverseTemperature, dropout, rewardTransform], [0.7, 0.5, 0.1, "none"]);
  assertEquals(iql.presets["relocate-cloned-v1"], iql.presets["kitchen-partial-v0"]);
  assertEquals(iql.presets["antmaze-umaze-v0"], iql.presets["antmaze-umaze-v2"]);
  assertEquals(resolveConfig(iql, "hopper-medium-replay-v2"), iql.defaults);

  const mazes = Object.keys(diffusionQl.presets).filter((task) => task.startsWith("antmaze") && task.endsWith("-v2"));
  assertEquals(mazes.length, 6);
  for (const task of mazes) {
    assertEquals(diffusionQl.presets[task].config, diffusionQl.presets[task.replace("v2", "v0")].config);
  }
  for (const task of Object.keys(diffusionQl.presets)) {
    assertEquals(resolveConfig(diffusionQl, task).criticLearningRate, 3e-4); // The authors' never leaves it.
  }

  const budget = (name: "dbc" | "pbc" | "av_pbc" | "sdw_obd", task: string) =>
    resolveConfig(registry[name] as AnyAlgorithm, task).updates;
  assertEquals(budget("dbc", "halfcheetah-medium-v2"), 200_000);
  assertEquals(budget("pbc", "walker2d-medium-replay-v2"), 200_000);
  assertEquals(budget("pbc", "hopper-medium-v2"), 50_000);
  assertEquals(budget("av_pbc", "halfcheetah-medium-expert-v2"), 50_000);
  assertEquals(budget("av_pbc", "hopper-medium-v2"), 20_000);

  for (const task of ["25gaussians-near", "swissroll-far"]) {
    assertEquals(resolveConfig(dtql, task).batchSize, 10_000);
    assertEquals(resolveConfig(dqlKl, task).start, "independent");
  }
  assertEquals([resolveConfig(dtql, "swissroll-far").valueWeight, resolveConfig(dqlKl, "swissroll-far").valueWeight], [
    5,
    1,
  ]);
  assertAlmostEquals(resolveConfig(dqlKl, "swissroll-near").updates, 1500);
});

Deno.test("trainSteps() asks for a preset where the data are of no known task", async () => {
  const bandit = makeBandit("25gaussians", "near", 100, createRng(0));
  const data: TrainingData = { task: null, spec: bandit.spec, batches: bandit.batches };
  const overrides = { hidden: 16, diffusionHidden: 16, batchSize: 8 };
  const first = async (settings: object) => {
    for await (const { update } of trainSteps(dtql, data, { updates: 1, overrides, ...settings })) return update;
  };
  let message = "";
  await first({}).catch((error: Error) => message = error.message);
  assert(
    message.startsWith('Cannot train dtql: the data are of no known task, so preset must be given: "none" for'),
    message,
  );
  assertEquals(await first({ preset: "none" }), 1);
  assertEquals(await first({ preset: "25gaussians-near" }), 1);
});
