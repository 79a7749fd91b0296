/**
 * Local datasets: D4RL-layout files made here, by policies trained here, with no download.
 *
 * They follow D4RL's recipes and physics but are not D4RL's files: their ids end in `-local`, and their numbers are marked
 * "local" everywhere.
 *
 * @module
 */

import { createRng, type Rng } from "../algorithms/core/rng.ts";
import { createEnvironment, type Environment } from "../environments/environment.ts";
import { findTask } from "../environments/tasks.ts";
import { createAntWalker } from "./ant_walker.ts";
import { loadBehaviours, type MeanPolicy } from "./behaviours.ts";
import { writeHdf5 } from "./hdf5.ts";
import type { LocalRecipe } from "./recipes.ts";
import { createRows, putRow, type Rows } from "./rows.ts";
import { makeMazeRows } from "./waypoints.ts";

/**
 * Makes a local dataset and writes it as an HDF5 file in D4RL's layout.
 *
 * @param onProgress Called with the number of transitions so far.
 */
export async function makeLocalDataset(
  recipe: LocalRecipe,
  path: string,
  onProgress: (made: number) => void = () => {},
) {
  using env = await createEnvironment(findTask(recipe.task), "d4rl");
  const rng = createRng(`dataset/${recipe.id}/${recipe.seed}`);
  const rows = createRows(recipe.transitions, env);
  let policies = "none";
  for (const [part, behaviour] of recipe.behaviours.entries()) {
    const end = Math.round((part + 1) / recipe.behaviours.length * recipe.transitions);
    const stream = rng.child(`${part}`);
    if (behaviour.kind === "waypoints") {
      makeMazeRows(env, rows, end, stream, onProgress);
      continue;
    }
    const trained = behaviour.kind === "policies" ? await loadBehaviours(recipe.task) : null;
    policies = trained?.origin ?? policies;
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
        onProgress(rows.count);
      }
    }
  }
  await writeHdf5(path, rows.arrays, {
    id: recipe.id,
    origin: "made locally; not a D4RL file",
    physics: env.physics,
    recipe: JSON.stringify(recipe),
    policies,
  });
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
