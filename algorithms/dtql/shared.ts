/**
 * What DTQL and DQL-KL train alike: critic, behaviour diffusion model, noise, schedules.
 *
 * @module
 */

import type { Batch, Spec } from "../core/agent.ts";
import { drawNormals } from "../core/acting.ts";
import { column, copyArrays, type NdArray, ndarray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { drawSigmas, edmDefaults, sigmasFromUniforms } from "../core/edm.ts";
import { type AdamStep, adamStep, cosineDecay, initTrained, type Trained, trainStep } from "../core/optim.ts";
import { drawQuasiUniforms, gaussiansFromUniforms } from "../core/quasirandom.ts";
import type { Rng } from "../core/rng.ts";
import { polyakAverage } from "../core/td.ts";
import type { Tensor } from "../engine/tensor.ts";
import type { DtqlConfig } from "./config.ts";
import { type ActorNoise, diffusionLoss, dtqlCriticLoss } from "./losses.ts";
import { type Critic, initCritic, initScoreNetwork, type ScoreNetwork } from "./networks.ts";

/** What critic and behaviour policy need; both policies train them alike. */
export interface SharedArrays<L = NdArray> {
  critic: Trained<Critic<L>, L>;
  criticTarget: Critic<L>;
  diffusion: Trained<ScoreNetwork<L>, L>;
}

/** Noise levels `[batch, 1]` and unit Gaussians `[batch, A]`. */
export type DiffusionNoise<L = NdArray> = { sigma: L; epsilon: L };
/** Adam's scalars of one update. */
export type Steps = { critic: AdamStep; policy: AdamStep };

/** Noise of one denoising loss. */
export function drawDiffusionNoise(rows: number, { actionDim }: Spec, rng: Rng): DiffusionNoise {
  const sigma = column(drawSigmas(rows, edmDefaults, rng));
  return { sigma, epsilon: drawNormals(rows, actionDim, rng) };
}

/** Noise of one policy update, by `config.actorNoise`. */
export function drawActorNoise(rows: number, spec: Spec, config: DtqlConfig, rng: Rng): ActorNoise {
  return config.actorNoise === "quasirandom"
    ? drawQuasiActorNoise(rows, spec, rng)
    : { action: drawNormals(rows, spec.actionDim, rng), ...drawDiffusionNoise(rows, spec, rng) };
}

/** Quasi-random points over all three kinds of noise, each followed by its mirror image. */
function drawQuasiActorNoise(rows: number, { actionDim: n }: Spec, rng: Rng): ActorNoise {
  const pairs = Math.ceil(n / 2);
  const dims = 4 * pairs + 1;
  const points = drawQuasiUniforms(Math.ceil(rows / 2), dims, rng);
  const pointOf = (row: number) => dims * (row >> 1); // Where it starts.
  const normals = (first: number) => {
    const out = new Float32Array(rows * n);
    for (let row = 0; row < rows; row++) {
      const sign = row % 2 === 0 ? 1 : -1;
      for (let d = 0; d < n; d += 2) {
        const at = pointOf(row) + first + d;
        const [x, y] = gaussiansFromUniforms(points[at], points[at + 1]);
        out[row * n + d] = sign * x;
        if (d + 1 < n) out[row * n + d + 1] = sign * y;
      }
    }
    return ndarray(out, [rows, n]);
  };
  const levels = new Float64Array(rows);
  for (let row = 0; row < rows; row++) levels[row] = points[pointOf(row) + dims - 1];
  return {
    action: normals(0),
    epsilon: normals(2 * pairs),
    sigma: column(sigmasFromUniforms(levels, edmDefaults)),
  };
}

/** One step of the critic and of the behaviour diffusion policy, the first half of Algorithm 1. */
export function sharedStep(
  state: SharedArrays<Tensor>,
  batch: Batch<Tensor>,
  noise: DiffusionNoise<Tensor>,
  steps: { critic: AdamStep<Tensor>; policy: AdamStep<Tensor> },
  config: DtqlConfig,
  clip: number,
) {
  const critic = trainStep(
    state.critic,
    (p) => dtqlCriticLoss(p, batch, config),
    steps.critic,
  );
  const diffusion = trainStep(
    state.diffusion,
    (p) => diffusionLoss(p, batch.observation, batch.action, noise, clip),
    steps.policy,
  );
  const next = { critic: critic.next, criticTarget: state.criticTarget, diffusion: diffusion.next };
  return { next, metrics: { criticLoss: critic.value, diffusionLoss: diffusion.value } };
}

/** The target critic after an update. */
export const movedTarget = (target: Critic, online: Critic, config: DtqlConfig) =>
  polyakAverage(target, online, config.polyakRate);

/** Updates of critic and behaviour policy alone; everything else passes through. */
export const compilePretraining = (name: string, config: DtqlConfig, clip: number) =>
  compile<{ state: SharedArrays; batch: Batch; diffusionNoise: DiffusionNoise; steps: Steps }>(
    `${name}/pretrain`,
    ({ state, batch, diffusionNoise, steps }) => {
      const { next, metrics } = sharedStep(state, batch, diffusionNoise, steps, config, clip);
      return { state: { ...state, ...next }, metrics };
    },
  );

/** Adam's scalars at an update: the actor's count starts after pretraining, and so does the decay of all rates. */
export function stepsAt(updates: number, config: DtqlConfig) {
  const main = updates - config.pretrainUpdates;
  const decayed = (rate: number) =>
    config.schedule === "constant" || main <= 0
      ? rate
      : cosineDecay(rate, main, config.updates - config.pretrainUpdates);
  const adam = (rate: number, count: number) => adamStep(count, { learningRate: decayed(rate) });
  const steps = {
    critic: adam(config.criticLearningRate, updates + 1),
    policy: adam(config.learningRate, updates + 1),
  };
  return { main, steps, actor: () => adam(config.learningRate, main + 1) };
}

/** Fresh critic and behaviour model. */
export function initShared(config: DtqlConfig, spec: Spec, rng: Rng): SharedArrays {
  const critic = initCritic(spec, config, rng.child("critic"));
  return {
    critic: initTrained(critic),
    criticTarget: copyArrays(critic),
    diffusion: initTrained(initScoreNetwork(spec, config, rng.child("diffusion"))),
  };
}
