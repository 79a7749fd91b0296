/**
 * What training on a GPU gives, beside training on the CPU: a line of JSON for each algorithm that is named, or for a training in a folder.
 *
 * @module
 */

import { bc } from "../../algorithms/bc.ts";
import type { AgentState } from "../../algorithms/core/agent.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { copyArrays, type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { currentGpu, useBackend } from "../../algorithms/engine/backend.ts";
import { decodeCheckpoint, encodeCheckpoint, restoreTree } from "../../algorithms/engine/checkpoint.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { openDevice, profileSessions, useCapture } from "../../algorithms/engine/runtime.ts";
import { tf } from "../../algorithms/engine/tensor.ts";
import { treeEntries } from "../../algorithms/engine/tree.ts";
import { makeBandit } from "../../data/bandits.ts";
import { loadTransitions } from "../../data/d4rl.ts";
import { train as trainRun } from "../../results/train/train.ts";
import { createSmall, drawTransitions, rows, train } from "../algorithms/small.ts";
import { makeHopperFile } from "../results/train/example.ts";

/** What is found of one algorithm. */
export interface Found {
  /** Largest differences from the CPU's after five updates: of a weight, and of a metric relative to max(1, |metric|). */
  weights: number;
  metrics: number;
  /** Whether captured runs gave the same bytes as plain ones, and a training that went on from a checkpoint as one that did not stop. */
  sameCaptured: boolean;
  sameResumed: boolean;
  /** The largest difference of a weight when the CPU goes on from the GPU's checkpoint. */
  wentOn: number;
  /** Arrays and vectors that were copied to the GPU and back, in updates in the middle of the last phase. */
  up: number;
  down: number;
  /** Operations of all sessions by the provider that ran them. */
  providers: Record<string, number>;
  /** Whether the CPU acts by the GPU's state. */
  acts: boolean;
}

const weightsOf = (state: AgentState) => treeEntries<NdArray>(state.arrays).filter(([path]) => !path.includes("adam"));

function largestDifference(a: AgentState, b: AgentState): number {
  const wanted = new Map(weightsOf(b));
  let largest = 0;
  for (const [path, { data }] of weightsOf(a)) {
    const other = wanted.get(path)!.data;
    data.forEach((x, i) => largest = Math.max(largest, Math.abs(x - other[i])));
  }
  return largest;
}

const same = (a: AgentState, b: AgentState) =>
  treeEntries<NdArray>(a.arrays).every(([path, { data }]) => {
    const other = new Map(treeEntries<NdArray>(b.arrays)).get(path)!.data;
    return data.every((x, i) => Object.is(x, other[i]));
  });

/** Operations by provider, from the profiles in a folder. */
function providersIn(folder: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { name } of Deno.readDirSync(folder)) {
    type Event = { cat: string; name: string; args?: { provider?: string } };
    const events = JSON.parse(Deno.readTextFileSync(`${folder}/${name}`)) as Event[];
    const nodes = new Map(events.filter(({ cat, args }) => cat === "Node" && args?.provider).map((e) => [e.name, e]));
    for (const { args } of nodes.values()) counts[args!.provider!] = (counts[args!.provider!] ?? 0) + 1;
  }
  return counts;
}

async function compare(name: string, width: number): Promise<Found> {
  const [onCpu, onGpu, unCaptured] = Array.from({ length: 3 }, () => createSmall(name, width));
  await useBackend("onnx");
  const cpu = await train(onCpu, 5);
  await useBackend("gpu");
  const gpu = await train(onGpu, 5);
  const relative = Object.entries(cpu.metrics).map(([metric, x]) =>
    Math.abs(x - gpu.metrics[metric]) / Math.max(1, Math.abs(x))
  );

  useCapture("off");
  const folder = await Deno.makeTempDir();
  const endProfiles = profileSessions(`${folder}/`);
  const plain = await train(unCaptured, 5);
  endProfiles();
  const providers = providersIn(folder);
  await Deno.remove(folder, { recursive: true });
  useCapture("on");

  const { state: stopped } = await train(onGpu, 3);
  const checkpoint = encodeCheckpoint(stopped.arrays, {});
  const restored = () => ({
    updates: 3,
    arrays: restoreTree(onCpu.init(createRng("other")).arrays, decodeCheckpoint(checkpoint)),
  });
  const { state: resumed } = await train(onGpu, 5, restored());

  const device = await openDevice("gpu");
  const counts = { up: 0, down: 0 };
  const [upload, download] = [device.upload, device.download];
  device.upload = (arrays, tensors) => (counts.up += arrays.length, upload(arrays, tensors));
  device.download = (tensors, arrays) => (counts.down += arrays.length, download(tensors, arrays));
  let { state } = await train(onGpu, 8);
  Object.assign(counts, { up: 0, down: 0 });
  for (let k = 8; k < 12; k++) {
    ({ state } = await onGpu.update(state, drawTransitions(`${k}`), createRng(`update/${k}`)));
  }
  const { up, down } = counts;
  Object.assign(device, { upload, download });
  const { data } = await onGpu.act(state, drawTransitions("act").observation, 1, createRng("act"));

  await useBackend("onnx");
  const { state: wentOn } = await train(onCpu, 5, restored());
  return {
    weights: largestDifference(gpu.state, cpu.state),
    metrics: Math.max(...relative),
    sameCaptured: same(gpu.state, plain.state),
    sameResumed: same(gpu.state, resumed),
    wentOn: largestDifference(wentOn, cpu.state),
    up: up / 4,
    down,
    providers,
    acts: data.length === 2 * rows && data.every(Number.isFinite),
  };
}

/** A training in a folder, stopped and gone on with, against one that was not. */
async function trainInFolders(folder: string) {
  await useBackend("gpu");
  const bandit = makeBandit("25gaussians", "far", 1000, createRng(0));
  const options = { updates: 60, overrides: { hidden: 16, batchSize: 32 }, log: [] } as const;
  const whole = await trainRun(bc, bandit, { ...options, folder: `${folder}/whole` });
  const stop = new AbortController();
  const onMetrics = ({ update }: { update: number }) => update === 30 && stop.abort();
  const stopped = await trainRun(bc, bandit, { ...options, folder: `${folder}/parts`, signal: stop.signal, onMetrics })
    .catch((error) => error);
  if (!(stopped instanceof Error)) throw new Error("Cannot test: the training was to be stopped");
  const parts = await trainRun(bc, bandit, { ...options, folder: `${folder}/parts` });
  const { madeWith, backend } = JSON.parse(await Deno.readTextFile(`${folder}/whole/run.json`));
  return {
    same: same(whole.state, parts.state),
    copied: same(whole.state, { updates: 60, arrays: copyArrays(whole.state.arrays) }),
    cloned: same(whole.state, structuredClone(whole.state)),
    gpu: currentGpu(),
    recorded: madeWith.machine.gpu,
    backend,
  };
}

/** A training whose GPU is lost at the second update after a checkpoint, if the variable LOST says how. */
async function loseDevice(folder: string) {
  const data = await loadTransitions(await makeHopperFile(folder));
  await useBackend("gpu");
  const onMetrics = ({ update }: { update: number }) => {
    const path = Deno.env.get("LOST");
    if (path !== undefined && update === 5) Deno.writeTextFileSync(path, "");
  };
  const overrides = { hidden: 16, batchSize: 32 };
  const options = { updates: 9, evaluateEvery: 3, episodes: 1, overrides, onMetrics, log: [] } as const;
  const lost = await trainRun(bc, data, { ...options, folder: `${folder}/run` }).catch((error) => error.message);
  if (typeof lost === "string") return { message: lost };
  const whole = await trainRun(bc, data, options);
  return { same: same(lost.state, whole.state), points: lost.curve.points.length };
}

/** Calls with an array within the function of so many rows, as long as they succeed. */
async function useRows(rows: number): Promise<string> {
  await useBackend("gpu");
  type Point = { state: { w: NdArray }; x: NdArray };
  const step = compile<Point>("large", ({ state, x }) => {
    const y = tf.mean(tf.square(tf.tanh(tf.mul(x, state.w))), 0, true); // [rows, 1] times [1, 256]
    return { state: { w: tf.add(state.w, y) } };
  });
  const x = ndarray(new Float32Array(rows).fill(1), [rows, 1]);
  const { state } = await step({ state: { w: ndarray(new Float32Array(256), [1, 256]) }, x });
  return `${state.w.data[0]}`;
}

/** Seeds together, stopped and gone on with, against each alone. */
async function trainSeedsInFolder(folder: string) {
  const data = await loadTransitions(await makeHopperFile(folder));
  await useBackend("gpu");
  const overrides = { hidden: 16, batchSize: 32 };
  const options = { updates: 20, evaluateEvery: 10, episodes: 2, overrides, log: [] } as const;
  const stop = new AbortController();
  const onMetrics = ({ seed, update }: { seed: number; update: number }) => seed === 2 && update === 13 && stop.abort();
  const parts = { ...options, seeds: [0, 1, 2], folder: `${folder}/parts` };
  const stopped = await trainRun(bc, data, { ...parts, signal: stop.signal, onMetrics }).catch((error) => error);
  if (!(stopped instanceof Error)) throw new Error("Cannot test: the training was to be stopped");
  const runs = await trainRun(bc, data, parts);
  const whole = await trainRun(bc, data, { ...options, seeds: [0, 1, 2] });
  const alone = [];
  for (const seed of [0, 1, 2]) alone.push(await trainRun(bc, data, { ...options, seed }));
  return {
    same: runs.every(({ state }, i) => same(state, whole[i].state)),
    weights: Math.max(...alone.map(({ state }, i) => largestDifference(state, whole[i].state))),
    apart: largestDifference(whole[0].state, whole[1].state),
    points: runs.curve.points.map(({ update }) => update),
  };
}

if (import.meta.main) {
  const [what, ...args] = Deno.args;
  if (what === "folders") console.log(JSON.stringify(await trainInFolders(args[0])));
  else if (what === "seeds") console.log(JSON.stringify(await trainSeedsInFolder(args[0])));
  else if (what === "open") console.log(await useBackend(args[0]).catch((error) => error.message));
  else if (what === "lose") console.log(JSON.stringify(await loseDevice(args[0])));
  else if (what === "rows") console.log(await useRows(Number(args[0])).catch((error) => error.message));
  else {
    for (const name of args) {
      const [algorithm, width] = name.split(":");
      console.log(JSON.stringify({ name, ...await compare(algorithm, Number(width)) }));
    }
  }
}
