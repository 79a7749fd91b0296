/**
 * The iterative way: actions sampled from SRPO's behaviour model, the best of several by its critic.
 *
 * With one candidate this is behaviour cloning by diffusion; with several, the action is chosen by the target critics' minimum
 * as in IDQL (Hansen-Estruch et al. 2023, arXiv 2304.10573; argmax) and SfBC (Chen et al. 2023, arXiv 2209.14548; softmax).
 * Training, and so the checkpoint, is SRPO's own, with or without its last phase.
 *
 * @module
 */

import type { Algorithm } from "../core/agent.ts";
import { checked, type CreateAgent } from "../core/checked.ts";
import { type Limits, ranges } from "../core/config.ts";
import { drawBySoftmax, takeBest } from "../core/acting.ts";
import { type TwinCritic, twinValues } from "../core/twin_critic.ts";
import { type BehaviourNetwork, behaviourNoise } from "../core/ln_resnet.ts";
import { stochasticPolicy } from "../core/stochastic_policy.ts";
import { type Tensor, tf } from "../engine/tensor.ts";
import { type DpmSolver, sampleDpm } from "../core/dpm_solver.ts";
import { cleanFromNoise, type NoisePredictor, sampleAncestral } from "../core/samplers.ts";
import { vpLevels } from "../core/vp_sde.ts";
import { type SrpoConfig, srpoDefaults, srpoLimits, srpoPresets } from "./config.ts";
import { srpoAgent, type SrpoArrays } from "./srpo.ts";

// deno-fmt-ignore
const samplerNames: readonly SamplerName[] = ["ddpm", "ddim", "dpm2", "dpm3", "dpm2m", "dpm3m", "dpmpp2", "dpmpp3", "dpmpp2m", "dpmpp3m"];
const choices = ["argmax", "softmax"] as const;

/** A key of {@linkcode samplers}. */
export type SamplerName =
  | ("ddpm" | "ddim" | "dpm2" | "dpm3" | "dpm2m" | "dpm3m")
  | ("dpmpp2" | "dpmpp3" | "dpmpp2m" | "dpmpp3m");

/** Settings of {@linkcode behaviourSampling}. */
export interface SamplingConfig extends SrpoConfig {
  /** Network calls per action. */
  nfe: number;
  /** How an action is sampled, see {@linkcode samplers}. */
  sampler: SamplerName;
  /** How one of several candidates is chosen. */
  choice: "argmax" | "softmax";
}

const dpm = (order: DpmSolver["order"], steps: DpmSolver["steps"], prediction: DpmSolver["prediction"]) =>
  ({ order, steps, prediction }) as const;

/** Samplers by name; `pp` marks those that extrapolate the clean sample (DPM-Solver++), `m` the multistep ones. */
export const samplers: Readonly<Record<SamplerName, DpmSolver | "ancestral">> = {
  ddpm: "ancestral",
  ddim: dpm(1, "multi", "clean"),
  dpm2: dpm(2, "single", "noise"),
  dpm3: dpm(3, "single", "noise"),
  dpm2m: dpm(2, "multi", "noise"),
  dpm3m: dpm(3, "multi", "noise"),
  dpmpp2: dpm(2, "single", "clean"),
  dpmpp3: dpm(3, "single", "clean"),
  dpmpp2m: dpm(2, "multi", "clean"),
  dpmpp3m: dpm(3, "multi", "clean"),
};

/** Defaults: SRPO's, with the sampler of QGPO (Lu et al. 2023, arXiv 2304.12824). */
export const samplingDefaults: SamplingConfig = { ...srpoDefaults, nfe: 15, sampler: "dpmpp2", choice: "softmax" };

/** Actions `[batch, A]`, clipped to `[-maxAction, maxAction]`, from unit Gaussians: one array, or one per call for `ddpm`. */
export function sampleBehaviour(
  network: BehaviourNetwork,
  frequencies: Tensor,
  s: Tensor,
  noises: readonly Tensor[],
  { nfe, sampler }: Pick<SamplingConfig, "nfe" | "sampler">,
  maxAction: number,
): Tensor {
  const noise: NoisePredictor = (a, { time }) =>
    behaviourNoise(network, frequencies, a, tf.fill([a.shape[0], 1], time), s, null);
  const clean = cleanFromNoise(noise);
  const bounded = (a: Tensor) => tf.clipByValue(a, -maxAction, maxAction);
  const [start, ...later] = noises;
  const [solver, levels] = [samplers[sampler], vpLevels(nfe)];
  const a = solver === "ancestral"
    ? sampleAncestral((a, level) => bounded(clean(a, level)), start, levels, later)
    : sampleDpm(solver.prediction === "noise" ? noise : clean, start, levels, solver);
  return bounded(a);
}

const limits: Limits<SamplingConfig> = { ...srpoLimits, nfe: ranges.count, sampler: samplerNames, choice: choices };
const settings = { defaults: samplingDefaults, limits };

/** Creates SRPO's training with iterative acting. */
export const createBehaviourSampling: CreateAgent<SamplingConfig> = checked("Behaviour sampling", settings, (
  config,
  spec,
) => {
  const { nfe, sampler, choice } = config;
  const { createActor: _, ...training } = srpoAgent(config, spec); // Its policy is not how this one acts.
  return {
    ...training,

    ...stochasticPolicy<{ behaviour: BehaviourNetwork; frequencies: Tensor }, TwinCritic>("behaviour", spec, {
      draws: samplers[sampler] === "ancestral" ? nfe : 1,
      paramsOf(arrays) {
        const { behaviour: { params }, frequencies } = arrays as SrpoArrays;
        return { behaviour: params, frequencies };
      },
      sample: ({ behaviour, frequencies }, s, noises) =>
        sampleBehaviour(behaviour, frequencies, s, noises, config, spec.maxAction),
      criticOf: (arrays) => (arrays as SrpoArrays).criticTarget,
      value: (critic, s, a) => tf.minimum(...twinValues(critic, s, a)),
      choose: choice === "argmax" ? takeBest : drawBySoftmax,
    }),
  };
});

/** Iterative sampling of SRPO's behaviour model. */
export const behaviourSampling: Algorithm<SamplingConfig> = {
  name: "behaviour_sampling",
  module: import.meta.url,
  acts: "one sample",
  phases: ["behaviourUpdates", "criticUpdates"],
  title: "Behaviour diffusion",
  source: "SRPO's behaviour model (arXiv 2310.07297) with the acting of IDQL (2304.10573), SfBC (2209.14548)",
  ...settings,
  presets: srpoPresets,
  create: createBehaviourSampling,
};
