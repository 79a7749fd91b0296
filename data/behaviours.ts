/**
 * The policies that act in local datasets: snapshots of their training, from files in `behaviour/`.
 *
 * Hopper's are linear and come from augmented random search (`data/behaviour/train_behaviour.ts`). HalfCheetah's and Walker2d's are
 * networks and come from TD3 (`data/behaviour/train_td3.ts`) and from the first 2,457,600 steps of PPO (`data/behaviour/train_ppo.ts`);
 * twelve snapshots of each are kept.
 *
 * @module
 */

import { decodeCheckpoint } from "../algorithms/engine/checkpoint.ts";
import type { NdArray } from "../algorithms/engine/array.ts";
import type { Linear } from "../algorithms/core/nn.ts";
import type { Rng } from "../algorithms/core/rng.ts";

/** A mean action for an observation, at a step of the episode. */
export type MeanPolicy = (observation: ArrayLike<number>, step: number) => Float64Array;

/** Snapshots of one training, in its order. */
export interface Behaviours {
  /** How they were trained. */
  origin: string;
  /** Policies, first to last. */
  snapshots: readonly {
    /** Environment steps of training. */
    steps: number;
    /** Mean return of a few episodes without noise. */
    episodeReturn: number;
    /** The policy with Gaussian noise of a deviation on every weight, drawn once. */
    start(weightNoise: number, rng: Rng): MeanPolicy;
  }[];
}

/** Tasks whose behaviours are networks. */
const networks = ["halfcheetah", "walker2d"];

/** Loads the behaviours of a task. */
export async function loadBehaviours(task: string): Promise<Behaviours> {
  const read = async (name: string) => { // Beside this module, wherever that came from.
    const response = await fetch(new URL(`./behaviour/${name}`, import.meta.url));
    if (!response.ok) {
      throw new Error(`Cannot load behaviours: ${response.url} must exist, status is ${response.status}`);
    }
    return await response.bytes();
  };
  if (!networks.includes(task)) {
    const { recipe, snapshots } = JSON.parse(new TextDecoder().decode(await read(`${task}.json`)));
    return { origin: JSON.stringify(recipe), snapshots: snapshots.map(linearSnapshot) };
  }
  const { tensors, metadata } = decodeCheckpoint(await read(`${task}.safetensors`));
  const returns = Object.entries<number>(JSON.parse(metadata.returns));
  return {
    origin: metadata.settings,
    snapshots: returns.map(([steps, episodeReturn]) => {
      const layers: Linear<NdArray>[] = [];
      for (let k = 0; tensors.has(`${steps}/${k}/weight`); k++) {
        layers.push({ weight: tensors.get(`${steps}/${k}/weight`)!, bias: tensors.get(`${steps}/${k}/bias`)! });
      }
      return { steps: Number(steps), episodeReturn, start: () => (observation) => actPlainly(layers, observation) };
    }),
  };
}

/** A linear policy over normalized observations, as augmented random search leaves it. */
function linearSnapshot(
  { steps, episodeReturn, weights, mean, deviation }: Record<"weights" | "mean" | "deviation", number[]> & {
    steps: number;
    episodeReturn: number;
  },
): Behaviours["snapshots"][number] {
  const n = mean.length;
  return {
    steps,
    episodeReturn,
    start(weightNoise, rng) {
      const noise = rng.fillNormal(new Float64Array(weights.length));
      const w = weights.map((x, i) => x + weightNoise * noise[i]);
      return (observation) => {
        const out = new Float64Array(w.length / n);
        for (let i = 0; i < out.length; i++) {
          for (let j = 0; j < n; j++) out[i] += w[i * n + j] * (observation[j] - mean[j]) / deviation[j];
        }
        return out;
      };
    },
  };
}

/** A network with ReLU between its layers and tanh after the last, in plain loops: one observation needs no library. */
export function actPlainly(layers: readonly Linear<NdArray>[], observation: ArrayLike<number>): Float64Array {
  let x = Float64Array.from(observation);
  layers.forEach(({ weight, bias }, k) => {
    const [n, m] = weight.shape;
    const y = Float64Array.from(bias.data);
    for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) y[j] += x[i] * weight.data[i * m + j];
    x = y.map(k < layers.length - 1 ? (v) => Math.max(v, 0) : Math.tanh);
  });
  return x;
}
