/**
 * Local datasets: D4RL-layout files made here, by policies trained here, with no download.
 *
 * They follow D4RL's recipes and physics but are not D4RL's files: their numbers are marked "local" everywhere.
 *
 * @module
 */

import { createRng, type Rng } from "../algorithms/core/rng.ts";
import { createEnvironment, type Environment, hopper } from "../environments/mod.ts";
import { type HdfArray, writeHdf5 } from "./hdf5.ts";

/** A linear policy over normalized observations, as augmented random search leaves it. */
interface Snapshot {
  steps: number;
  episodeReturn: number;
  weights: number[];
  mean: number[];
  deviation: number[];
}

/** How a local dataset is made. */
export interface LocalRecipe {
  id: string;
  /** Snapshots of the training history that act, from the first on. */
  snapshots: number;
  transitions: number;
  /** Spread of each episode's weight perturbation: that of the search which made the policies. */
  weightNoise: number;
  /** Spread of the Gaussian noise on each action. */
  actionNoise: number;
  seed: number;
}

/** Local datasets by id. */
export const localRecipes: Readonly<Record<string, LocalRecipe>> = {
  // A replay of the search's history up to a policy of medium skill, like D4RL's medium-replay.
  "hopper-medium-replay-local": {
    id: "hopper-medium-replay-local",
    snapshots: 19,
    transitions: 209_000,
    weightNoise: 0.025,
    actionNoise: 0.1,
    seed: 0,
  },
};

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
  const { default: file } = await import("./behaviour/hopper_1.json", { with: { type: "json" } });
  using env = await createEnvironment(hopper, "d4rl");
  const rng = createRng(`dataset/${recipe.id}/${recipe.seed}`);
  const rows = createRows(recipe.transitions, env);
  const share = recipe.transitions / recipe.snapshots; // As many transitions from each stage of the history.
  for (let k = 0; k < recipe.snapshots; k++) {
    const snapshot: Snapshot = file.snapshots[k];
    for (let episode = 0; rows.count < Math.round((k + 1) * share); episode++) {
      const limit = Math.round((k + 1) * share);
      rollout(env, snapshot, recipe, rng.child(`${k}/${episode}`), recipe.seed * 1e5 + k * 1000 + episode, rows, limit);
      onProgress(rows.count);
    }
  }
  await writeHdf5(path, rows.arrays, {
    id: recipe.id,
    origin: "made locally; not a D4RL file",
    physics: env.physics,
    recipe: JSON.stringify(recipe),
    policies: JSON.stringify(file.recipe),
  });
}

interface Rows {
  count: number;
  arrays: Map<string, HdfArray>;
}

function createRows(n: number, env: Environment): Rows {
  const floats = (...shape: number[]): HdfArray => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)) });
  const flags = (): HdfArray => ({ shape: [n], data: new Int8Array(n) });
  const [s] = env.observationSpace.shape;
  return {
    count: 0,
    arrays: new Map([
      ["observations", floats(n, s)],
      ["actions", floats(n, env.actionSpace.shape[0])],
      ["rewards", floats(n)],
      ["next_observations", floats(n, s)],
      ["terminals", flags()],
      ["timeouts", flags()],
      ["infos/qpos", floats(n, env.qpos.length)],
      ["infos/qvel", floats(n, env.qvel.length)],
    ]),
  };
}

/** One episode, recorded until it ends or `limit` rows are full; a cut one is marked as timed out. */
function rollout(
  env: Environment,
  policy: Snapshot,
  recipe: LocalRecipe,
  rng: Rng,
  seed: number,
  rows: Rows,
  limit: number,
) {
  const { weights, mean, deviation } = policy;
  const perturbation = rng.fillNormal(new Float64Array(weights.length));
  const w = weights.map((x, i) => x + recipe.weightNoise * perturbation[i]);
  const actionDim = env.actionSpace.shape[0];
  const put = (name: string, values: ArrayLike<number>) =>
    rows.arrays.get(name)!.data.set(values, rows.count * values.length);
  let observation = env.reset(seed);
  for (;;) {
    const action = rng.fillNormal(new Float32Array(actionDim)).map((z, i) => {
      let mu = 0;
      for (let j = 0; j < mean.length; j++) mu += w[i * mean.length + j] * (observation[j] - mean[j]) / deviation[j];
      return Math.min(Math.max(mu + recipe.actionNoise * z, -1), 1);
    });
    put("observations", observation);
    put("actions", action);
    put("infos/qpos", env.qpos);
    put("infos/qvel", env.qvel);
    const result = env.step(action);
    observation = result.observation;
    const cut = result.truncated || rows.count + 1 === limit;
    put("rewards", [result.reward]);
    put("next_observations", observation);
    put("terminals", [result.terminated ? 1 : 0]);
    put("timeouts", [cut && !result.terminated ? 1 : 0]);
    rows.count++;
    if (result.terminated || cut) return;
  }
}
