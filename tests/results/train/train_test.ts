import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { bc } from "../../../algorithms/bc.ts";
import type { AnyAlgorithm } from "../../../algorithms/core/agent.ts";
import { resolveConfig } from "../../../algorithms/core/config.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { presetTask, trainSteps } from "../../../algorithms/core/train.ts";
import { dtql } from "../../../algorithms/dtql/mod.ts";
import { encodeCheckpoint } from "../../../algorithms/engine/checkpoint.ts";
import { rebrac } from "../../../algorithms/rebrac.ts";
import * as registry from "../../../algorithms/registry.ts";
import { srpo } from "../../../algorithms/srpo/mod.ts";
import { makeBandit } from "../../../data/bandits.ts";
import { createTransitions, loadTransitions } from "../../../data/d4rl.ts";
import { sha256Of } from "../../../data/source.ts";
import { evaluate } from "../../../environments/evaluate.ts";
import { mean } from "../../../results/scores/mean.ts";
import { readStore, storeText } from "../mlflow.ts";
import { toFileUrl } from "../../../tools/paths.ts";
import { compare } from "../../../results/train/compare.ts";
import { findAlgorithm, loadPolicy } from "../../../results/train/policy_folder.ts";
import { type Run, type Runs, train } from "../../../results/train/train.ts";
import { hostName } from "../../../tools/files.ts";
import { makeHopperFile, ownAlgorithm, workspace } from "./example.ts";

const folder = await Deno.makeTempDir();
const file = await makeHopperFile(folder);
const data = await loadTransitions(file);
await Deno.writeTextFile(join(folder, "linear.ts"), ownAlgorithm(toFileUrl(workspace).href));
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const quiet = { log: [] } as const;
const small = { hidden: 16, batchSize: 32 };
const at = (name: string) => join(folder, name);
const bytesOf = async (run: string, name: string) => await Deno.readFile(join(at(run), name));

/** Everything that a run leaves and that its result depends on; times and machine are left out. */
async function remains(run: string) {
  const { tensors } = await import("../../../algorithms/engine/checkpoint.ts").then(async ({ decodeCheckpoint }) =>
    decodeCheckpoint(await bytesOf(run, "checkpoint.safetensors"))
  );
  const text = async (name: string) => await Deno.readTextFile(join(at(run), name));
  return { tensors, metrics: await text("metrics.jsonl"), scores: await text("scores.jsonl") };
}

Deno.test("train() takes every registered algorithm that a dataset trains, and evaluate() scores it", async () => {
  for (const algorithm of Object.values<AnyAlgorithm>(registry)) {
    if (algorithm.study) {
      await assertRejects(() => train(algorithm, data), RangeError, `reproduce --only ${algorithm.study}`);
      continue;
    }
    const widths = Object.keys(algorithm.defaults).filter((name) => /hidden$/i.test(name)).map((name) => [name, 16]);
    const overrides = { batchSize: 32, ...Object.fromEntries(widths) };
    const policy = await train(algorithm, data, { updates: 12, preset: "none", overrides, ...quiet });
    assertEquals(policy.state.updates, 12, algorithm.name);
    const { normalized, episodes } = await evaluate(policy, { episodes: 2, workers: 1 });
    assert(Number.isFinite(normalized) && episodes.length === 2, algorithm.name);
    const action = await policy.act(new Float32Array(2 * 11));
    assertEquals(action.length, 6);
  }
});

Deno.test("train() shrinks phases with the updates, unless they are set", async () => {
  const { config } = await train(dtql, data, { updates: 21, overrides: small, ...quiet });
  const published = resolveConfig(dtql, "hopper-medium-replay-v2");
  assertEquals(
    (config as typeof published).pretrainUpdates,
    Math.floor(21 * published.pretrainUpdates / published.updates),
  );
  const set = await train(dtql, data, { updates: 21, overrides: { ...small, pretrainUpdates: 5 }, ...quiet });
  assertEquals((set.config as typeof published).pretrainUpdates, 5);
  const phases = await train(srpo, data, {
    updates: 9,
    overrides: { ...small, behaviourHidden: 16, behaviourBatchSize: 32 },
    ...quiet,
  });
  const { behaviourUpdates, criticUpdates } = phases.config as unknown as typeof srpo.defaults;
  assertEquals([behaviourUpdates, criticUpdates], [4, 3]);
});

Deno.test("Algorithm.phases are settings that count updates", () => {
  for (const { name, phases = [], defaults } of Object.values<AnyAlgorithm>(registry)) {
    const settings = defaults as unknown as Record<string, unknown>;
    for (const phase of phases) assert(Number.isInteger(settings[phase]), `${name}: ${phase}`);
  }
});

Deno.test("train() and trainSteps() give the same bytes, with a folder and without", async () => {
  const settings = { seed: 3, updates: 30, overrides: small };
  const run = await train(rebrac, data, { ...settings, ...quiet });
  const kept = await train(rebrac, data, { ...settings, folder: at("same"), ...quiet });
  let last: unknown;
  for await (const { policy } of trainSteps(rebrac, data, settings)) last = policy.state.arrays;
  assertEquals(encodeCheckpoint(run.state.arrays), encodeCheckpoint(last));
  assertEquals(encodeCheckpoint(run.state.arrays), encodeCheckpoint(kept.state.arrays));
  const record = JSON.parse(await Deno.readTextFile(join(at("same"), "run.json")));
  assertEquals([record.datasetSha256, record.data], [await sha256Of(file), data.fingerprint!()]);
});

Deno.test("train() with seeds gives the runs of train() with each seed, in folders of their own, and a curve of all", async () => {
  const options = { updates: 60, overrides: small, evaluateEvery: 30, episodes: 2, ...quiet } as const;
  const seen = new Set<number>();
  const onMetrics = ({ seed }: { seed: number }) => seen.add(seed);
  const runs: Runs = await train(rebrac, data, { ...options, seeds: [3, 1], folder: at("seeds"), onMetrics });
  assertEquals([runs.map(({ seed }) => seed), [...seen]], [[3, 1], [3, 1]]);
  for (const run of runs) {
    assertEquals(run.folder, at(`seeds/seed_${run.seed}`));
    const alone: Run = await train(rebrac, data, { ...options, seed: run.seed, folder: at(`alone/seed_${run.seed}`) });
    assertEquals(await remains(`seeds/seed_${run.seed}`), await remains(`alone/seed_${run.seed}`));
    assertEquals(alone.curve.points, run.curve.points);
  }
  assertEquals(runs.curve.frame.array("seed"), [3, 3, 1, 1]);
  const points = (runs.curve.figure as unknown as { data: { values: { seeds: number; low: number; high: number }[] } })
    .data.values;
  assertEquals(points.map(({ seeds }) => seeds), [2, 2]);
  assert(points.every(({ low, high }) => low < high), JSON.stringify(points));
  const own = await train(at("linear.ts"), data, { updates: 4, seeds: [0, 1], ...quiet });
  assertEquals(own.map(({ state }) => state.updates), [4, 4]);
  // @ts-expect-error: one of them is enough.
  const both = train(bc, data, { updates: 4, seed: 0, seeds: [0] });
  await assertRejects(() => both, RangeError, "seed and seeds are both given; give one of them");
});

Deno.test("train() gives each metric's mean over the updates that had it", async () => {
  const seen: Record<string, number>[] = [];
  const settings = { updates: 200, overrides: small };
  const each: Record<string, number>[] = [];
  for await (const { metrics } of trainSteps(rebrac, data, settings)) each.push(metrics);
  await train(rebrac, data, { ...settings, ...quiet, onMetrics: ({ metrics }) => seen.push(metrics) });
  assertEquals(seen.length, 100);
  assertEquals(seen[0].policyLoss, each[1].policyLoss); // One of the window's two updates trains the policy.
  assertEquals(seen[0].criticLoss, (each[0].criticLoss + each[1].criticLoss) / 2);
});

const scored = { updates: 400, overrides: small, evaluateEvery: 100, episodes: 2, ...quiet } as const;

/** Trains in a process of its own, as {@linkcode scored} says. */
function startTraining(run: string): Deno.ChildProcess {
  const script = `
    import { bc, loadTransitions, train } from "${toFileUrl(join(workspace, "mod.ts")).href}";
    const data = await loadTransitions(${JSON.stringify(file)});
    console.log("up");
    await train(bc, data, { ...${JSON.stringify(scored)}, folder: ${JSON.stringify(at(run))}, log: ["jsonl"],
      onMetrics: () => new Promise((r) => r()) });`;
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", "--no-check", script],
    cwd: workspace,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

Deno.test("train() killed at any moment and called again ends in the bytes of a run left alone, scores included", async () => {
  const whole = await train(bc, data, { ...scored, folder: at("whole") });
  assertEquals(whole.curve.points.map(({ update }) => update), [100, 200, 300, 400]);
  for (let round = 0; round < 4; round++) {
    const child = startTraining("killed");
    await child.stdout.getReader().read(); // It loaded the data.
    await new Promise((done) => setTimeout(done, 150 + 350 * round));
    try {
      child.kill("SIGKILL");
    } catch {
      // It ended first.
    }
    await child.status;
    await child.stderr.cancel();
  }
  await train(bc, data, { ...scored, folder: at("killed") });
  assertEquals(await remains("killed"), await remains("whole"));
  const again = await train(bc, data, { ...scored, folder: at("killed") });
  assertEquals(again.curve.points, whole.curve.points);
});

Deno.test("train() stopped and called again goes on in the same MLflow run, its scores included", async () => {
  const stop = new AbortController();
  const options = { ...scored, folder: at("in MLflow"), log: ["mlflow"] } as const;
  const onMetrics = ({ update }: { update: number }) => update >= 250 && stop.abort();
  await assertRejects(() => train(bc, data, { ...options, seeds: [0, 1], onMetrics, signal: stop.signal }));
  const [stopped] = readStore(join(at("in MLflow"), "mlruns"));
  assertEquals([stopped.status, stopped.metrics.score.map(({ step }) => step)], ["KILLED", [100, 200]]);
  const runs = await train(bc, data, { ...options, seeds: [0, 1] });
  const stored = readStore(join(at("in MLflow"), "mlruns")).sort((a, b) => a.name < b.name ? -1 : 1);
  assertEquals(stored.map(({ name, status }) => [name, status]), [["bc seed 0", "FINISHED"], [
    "bc seed 1",
    "FINISHED",
  ]]);
  assertEquals([stored[0].id, stored[0].start], [stopped.id, stopped.start]);
  stored.forEach(({ experiment, metrics, tags }, i) => {
    assertEquals([experiment, tags.task, tags.algorithm], [`${runs[i].task}`, `${runs[i].task}`, "bc"]);
    assertEquals(metrics.score.map(({ step }) => step), [100, 200, 300, 400]);
    assertEquals(metrics.score.map(({ value }) => value), runs[i].curve.points.map(({ scores }) => mean(scores)));
    const [[, losses]] = Object.entries(metrics).filter(([name]) => name !== "score");
    assertEquals([losses.length, new Set(losses.map(({ step }) => step)).size], [100, 100]);
  });
  assert(!storeText(join(at("in MLflow"), "mlruns")).includes(folder));
});

Deno.test("train() evaluates a finished run that has no score yet, and once only", async () => {
  const { evaluateEvery: _, episodes: __, ...plain } = scored;
  await train(bc, data, { ...plain, folder: at("late") });
  const { curve } = await train(bc, data, { ...scored, evaluateEvery: 400, folder: at("late") });
  assertEquals(curve.points.map(({ update }) => update), [400]);
  assertEquals(curve.frame.columnNames().slice(0, 4), ["algorithm", "task", "seed", "update"]);
});

Deno.test("train() refuses a folder that another process trains in, or that holds another run", async () => {
  const child = startTraining("held");
  await child.stdout.getReader().read();
  let message = "";
  for (let i = 0; i < 200 && message === ""; i++) {
    await new Promise((done) => setTimeout(done, 10));
    if (!await Deno.stat(join(at("held"), "run.json")).then(() => true, () => false)) continue;
    message = await train(bc, data, { ...scored, folder: at("held") }).then(() => "trained", (error) => error.message);
  }
  child.kill("SIGKILL");
  await child.status;
  await child.stderr.cancel();
  assert(message.includes(`process ${child.pid} on ${hostName()} trains in "${at("held")}"`), message);
  await train(bc, data, { ...scored, folder: at("held") });
  await assertRejects(
    () => train(bc, data, { ...scored, overrides: { ...small, hidden: 8 }, seed: 1, folder: at("held") }),
    Error,
    "holds another run (now seed 1 for 0, hidden 8 for 16); give another folder",
  );
});

Deno.test("train() refuses what it does not know, with the nearest name", async () => {
  const refuses = (options: object, message: string) =>
    assertRejects(() => train(bc, data, options as never), RangeError, message);
  await refuses({ update: 5 }, 'unknown option "update"; did you mean "updates"?');
  await refuses({ overrides: { hiden: 5 } }, 'unknown setting "hiden"; did you mean "hidden"?');
  await refuses({ log: ["tensorbord"] }, 'did you mean "tensorboard"?');
  await refuses({ log: ["tensorboard"] }, "need a folder");
  await refuses({ seed: -1 }, "seed must be an integer of at least 0, current value is -1");
  for (const seeds of [[], [0, 0], 3]) {
    await refuses({ seeds }, `seeds must be a list of different seeds, current value is ${JSON.stringify(seeds)}`);
  }
  await refuses({ seeds: [0.5] }, "seed must be an integer of at least 0, current value is 0.5");
  await refuses({ evaluateEvery: 0 }, "evaluateEvery must be a positive integer, current value is 0");
  await assertRejects(() => findAlgorithm("dtlq"), RangeError, 'did you mean "dtql"?');
});

Deno.test("createTransitions() makes data of arrays, and refuses lengths that do not fit and actions beyond the bound", async () => {
  const rows = 50;
  const column = (scale: number) => Float32Array.from({ length: rows }, (_, i) => scale * Math.sin(i));
  const arrays = {
    observation: column(1),
    action: column(0.9),
    reward: column(1),
    nextObservation: column(1),
    terminal: new Float32Array(rows),
  };
  const sizes = { observationDim: 1, actionDim: 1 };
  const own = createTransitions(arrays, sizes);
  const policy = await train(bc, own, { updates: 5, overrides: small, ...quiet });
  await assertRejects(() => evaluate(policy), RangeError, "the data named no task");
  await assertRejects(
    () => evaluate(policy, { task: "hopper", episodes: 1 }),
    RangeError,
    "the policy must take 11 numbers and give 3, current is 1 and 1",
  );
  await assertRejects(() => train(rebrac, own, { updates: 5, ...quiet }), RangeError, "preset must be given");
  await assertRejects(
    () => train(rebrac, own, { updates: 5, preset: "none", ...quiet }),
    TypeError,
    "Cannot give nextAction",
  );
  assertThrows(
    () => createTransitions({ ...arrays, action: column(1).slice(1) }, sizes),
    TypeError,
    "action must have 50 rows",
  );
  await assertRejects(
    () => train(bc, createTransitions({ ...arrays, action: column(3) }, sizes), { updates: 5, ...quiet }),
    RangeError,
    "actions must lie in [-1, 1], dimension 0 of row 1 is 2.52",
  );
});

Deno.test("a user's own algorithm file trains, resumes, plays in workers, loads again and is compared", async () => {
  const source = at("linear.ts");
  const options = { updates: 60, evaluateEvery: 60, episodes: 6, ...quiet };
  for (const seed of [0, 1]) await train(source, data, { ...options, seed, folder: at(`own/seed_${seed}`) });
  const loaded = await loadPolicy(at("own/seed_1"));
  assertEquals(loaded.algorithm.name, "linear_cloning");
  const [alone, together] = [await evaluate(loaded, { workers: 1 }), await evaluate(loaded, { workers: 2 })];
  assertEquals(together, alone);
  for (const seed of [0, 1]) {
    await train(bc, data, { ...options, overrides: small, seed, folder: at(`bc/seed_${seed}`) });
  }
  const text = (await compare(at("own"), at("bc"))).toText();
  assert(/linear_cloning minus BC +-?\d/.test(text), text);
  await assertRejects(() => compare(at("own/seed_0"), at("own")), RangeError, "has seed 0 twice");
});

Deno.test("save() and loadPolicy() keep a policy's every action", async () => {
  const run = await train(dtql, makeBandit("25gaussians", "near", 1000, createRng(0)), {
    updates: 10,
    overrides: { ...small, diffusionHidden: 16 },
    ...quiet,
  });
  await run.save(at("saved"));
  const loaded = await loadPolicy(at("saved"));
  assertEquals(await loaded.act([0, 0, 0]), await run.act([0, 0, 0]));
  const [a, b] = [loaded, run].map((policy) => policy.createActor());
  assertEquals([...a([0])], [...b([0])]);
  await assertRejects(() => loadPolicy(folder), Error, "it must hold a run.json");
  await Deno.writeTextFile(join(at("saved"), "run.json"), "{}");
  await assertRejects(() => loadPolicy(at("saved")), Error, "must say what policy it is of");
});

Deno.test("loadPolicy() refuses another run's checkpoint", async () => {
  for (const seed of [0, 1]) {
    await train(bc, data, { updates: 5, overrides: small, seed, folder: at(`swap/${seed}`), ...quiet });
  }
  await Deno.copyFile(join(at("swap/1"), "checkpoint.safetensors"), join(at("swap/0"), "checkpoint.safetensors"));
  await assertRejects(() => loadPolicy(at("swap/0")), Error, "its seed must be 0, current is 1; it is another run's");
});

Deno.test("presetTask() is the dataset that a local one stands in for", () => {
  assertEquals(presetTask("hopper-medium-replay-local"), "hopper-medium-replay-v2");
  assertEquals(presetTask("hopper-medium-v2"), "hopper-medium-v2");
});
