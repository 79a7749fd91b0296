/**
 * Local datasets: D4RL-layout files made here, by policies trained here, with no download.
 *
 * They follow D4RL's recipes and physics but are not D4RL's files: their ids end in `-local`, and their numbers are marked
 * "local" everywhere.
 *
 * @module
 */

import { dirname } from "node:path";
import { createRng, type Rng } from "../algorithms/core/rng.ts";
import { takeLock } from "../tools/file_lock.ts";
import { sweepParts } from "../tools/files.ts";
import type { Holder } from "../tools/lock_holder.ts";
import { pause } from "../tools/pause.ts";
import { startProgress } from "../tools/progress.ts";
import { createEnvironment, type Environment } from "../environments/environment.ts";
import { findTask } from "../environments/tasks.ts";
import { createAntWalker } from "./ant_walker.ts";
import { type Behaviours, loadBehaviours, type MeanPolicy } from "./behaviours.ts";
import { datasetPath, unknownDataset } from "./catalog.ts";
import { readHdf5, writeHdf5 } from "./hdf5.ts";
import { findRecipe, type LocalRecipe } from "./recipes.ts";
import { createRows, putRow, type Rows } from "./rows.ts";
import { makeMazeRows } from "./waypoints.ts";

/** Settings of {@linkcode ensureLocalDataset}. */
export interface MakeOptions {
  /** Where datasets lie. @default {@linkcode datasetFolder} */
  folder?: string;
  /** Called with transitions so far and in all. @default lines on the terminal */
  onMade?: (made: number, total: number) => void;
  /** Stops the making; nothing stays. */
  signal?: AbortSignal;
}

/**
 * The path of a local dataset's file: the one that is there if the present recipe, policies and code would make the same, else made
 * now. Two processes that want the same one share the making.
 *
 * @throws {RangeError} If the id is not of a local dataset.
 * @throws {Error} If it is stopped, or the file cannot be written.
 */
export async function ensureLocalDataset(id: string, options: MakeOptions = {}): Promise<string> {
  const recipe = findRecipe(id);
  if (!recipe) throw unknownDataset(id);
  return await ensureMade(recipe, datasetPath(id, options.folder), options);
}

/** As {@linkcode ensureLocalDataset}, for any recipe and place. */
export async function ensureMade(recipe: LocalRecipe, path: string, options: MakeOptions = {}): Promise<string> {
  const { signal } = options;
  if (await isCurrent(recipe, path)) return path;
  await Deno.mkdir(dirname(path), { recursive: true });
  const progress = options.onMade ? null : startProgress(`Making ${recipe.id}`);
  try {
    const onWait = ({ who, remedy }: Holder) => progress?.update(0, `${who} is making it${remedy}`);
    using _lock = await takeLock(`${path}.lock`, { onWait, signal });
    if (await isCurrent(recipe, path)) return path; // Another process was faster.
    await sweepParts(path);
    await makeLocalDataset(recipe, path, (made) => {
      options.onMade?.(made, recipe.transitions);
      progress?.update(made / recipe.transitions, `${made} of ${recipe.transitions} transitions`);
    }, signal);
    return path;
  } finally {
    progress?.stop();
  }
}

/** Rows that tell whether the present code makes the same dataset: from one step to the next any difference grows. */
const trialRows = 300;

/** Whether a file is of a recipe, by the present policies, and begins as the present code makes it. */
async function isCurrent(recipe: LocalRecipe, path: string): Promise<boolean> {
  try {
    const { arrays, attributes } = await readHdf5(path, { only: (name) => !name.includes("/") });
    if (attributes.get("recipe") !== JSON.stringify(recipe)) return false;
    const trained = await policiesOf(recipe);
    if (attributes.get("policies") !== (trained?.origin ?? "none")) return false;
    using env = await createEnvironment(findTask(recipe.task), "d4rl");
    const rows = createRows(trialRows + env.maxEpisodeSteps, env);
    for (const _ of makeRows(recipe, env, trained, rows)) if (rows.count >= trialRows) break;
    const n = Math.min(trialRows, recipe.transitions);
    return [...rows.arrays].every(([name, { shape, data }]) => {
      const width = shape.length === 1 ? 1 : shape[1];
      const [made, found] = [data, arrays.get(name)?.data];
      return name.includes("/") || found !== undefined && made.subarray(0, n * width).every((x, i) => x === found[i]);
    });
  } catch {
    return false; // It is not there, or not readable: it is made, and what goes wrong then is said.
  }
}

/**
 * Requires a file to be of the present recipe.
 *
 * @throws {Error} If it is of another.
 */
export function requireRecipe(recipe: LocalRecipe, attributes: ReadonlyMap<string, string>, path: string) {
  if (attributes.get("recipe") === JSON.stringify(recipe)) return;
  throw new Error(
    `Cannot use "${path}" as ${recipe.id}: it was made by another recipe; run \`deno task dataset make ${recipe.id}\``,
  );
}

/** The policies of a recipe; null if none act in it. */
async function policiesOf({ behaviours, task }: LocalRecipe): Promise<Behaviours | null> {
  return behaviours.some(({ kind }) => kind === "policies") ? await loadBehaviours(task) : null;
}

/**
 * Makes a local dataset and writes it as an HDF5 file in D4RL's layout.
 *
 * @param onProgress Called with the number of transitions so far.
 * @throws {Error} If `signal` stops it; nothing is written then.
 */
export async function makeLocalDataset(
  recipe: LocalRecipe,
  path: string,
  onProgress: (made: number) => void = () => {},
  signal?: AbortSignal,
) {
  using env = await createEnvironment(findTask(recipe.task), "d4rl");
  const trained = await policiesOf(recipe);
  const rows = createRows(recipe.transitions, env);
  let last = performance.now();
  for (const _ of makeRows(recipe, env, trained, rows)) {
    if (performance.now() - last < 50) continue;
    onProgress(rows.count);
    try {
      await pause(0, signal); // Signals and timers have their turn.
    } catch {
      throw new Error(`Cannot make "${recipe.id}": stopped`);
    }
    last = performance.now();
  }
  await writeHdf5(path, rows.arrays, {
    id: recipe.id,
    origin: "made locally; not a D4RL file",
    physics: env.physics,
    recipe: JSON.stringify(recipe),
    policies: trained?.origin ?? "none",
  });
}

/** Makes the rows of a recipe; goes on with the next episode, or with some rows more, each time it is asked. */
function* makeRows(recipe: LocalRecipe, env: Environment, trained: Behaviours | null, rows: Rows): Generator<void> {
  const rng = createRng(`dataset/${recipe.id}/${recipe.seed}`);
  for (const [part, behaviour] of recipe.behaviours.entries()) {
    const end = Math.round((part + 1) / recipe.behaviours.length * recipe.transitions);
    const stream = rng.child(`${part}`);
    if (behaviour.kind === "waypoints") {
      yield* makeMazeRows(env, rows, end, stream);
      continue;
    }
    const [from, to] = behaviour.kind === "policies" ? [behaviour.from, behaviour.to] : [0, 0];
    const begin = rows.count;
    for (let k = from; k <= to; k++) {
      const limit = begin + Math.round((k - from + 1) / (to - from + 1) * (end - begin)); // An equal share for each.
      for (let episode = 0; rows.count < limit; episode++) {
        const start = recipe.seed * 1e5 + part * 1e7 + k * 1000 + episode;
        const streamOf = stream.child(`${k}/${episode}`);
        const act = behaviour.kind === "policies"
          ? noisyPolicy(trained!.snapshots[k].start(behaviour.weightNoise, streamOf), behaviour.actionNoise, streamOf)
          : behaviour.kind === "walker"
          ? noisyPolicy(createAntWalker(env), behaviour.actionNoise, streamOf)
          : randomPolicy(env, streamOf);
        rollout(env, act, start, rows, limit);
        yield;
      }
    }
  }
}

type Policy = (observation: ArrayLike<number>, step: number) => Float32Array;

function randomPolicy(env: Environment, rng: Rng): Policy {
  const [n] = env.actionSpace.shape;
  return () => rng.fillUniform(new Float32Array(n)).map((u) => 2 * u - 1);
}

/** A policy with Gaussian noise on every action, clipped to the bounds. */
const noisyPolicy = (mean: MeanPolicy, noise: number, rng: Rng): Policy => (observation, step) => {
  const action = Float32Array.from(mean(observation, step));
  const z = rng.fillNormal(new Float32Array(action.length));
  return action.map((x, i) => Math.min(Math.max(x + noise * z[i], -1), 1));
};

/** One episode, recorded until it ends or `limit` rows are full; a cut one is marked as timed out. */
function rollout(env: Environment, act: Policy, seed: number, rows: Rows, limit: number) {
  let observation = env.reset(seed);
  for (let step = 0;; step++) {
    const action = act(observation, step);
    putRow(rows, "observations", observation);
    putRow(rows, "actions", action);
    putRow(rows, "infos/qpos", env.qpos);
    putRow(rows, "infos/qvel", env.qvel);
    if (env.goal) putRow(rows, "infos/goal", env.goal);
    const result = env.step(action);
    observation = result.observation;
    const cut = result.truncated || rows.count + 1 === limit;
    putRow(rows, "rewards", [result.reward]);
    if (!env.goal) putRow(rows, "next_observations", observation);
    putRow(rows, "terminals", [result.terminated ? 1 : 0]);
    putRow(rows, "timeouts", [cut && !result.terminated ? 1 : 0]);
    rows.count++;
    if (result.terminated || cut) return;
  }
}
