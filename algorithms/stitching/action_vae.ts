/**
 * The stitcher's other action decoder: a conditional variational autoencoder of the action between two states.
 *
 * Source: Hepburn & Montana 2022, arXiv 2211.11603, authors' code.
 *
 * @module
 */

import { drawNormals } from "../core/acting.ts";
import type { NdArray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { initMlp, type Linear, linear, mlp, relu } from "../core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "../core/optim.ts";
import type { Rng } from "../core/rng.ts";
import { meanSquaredError } from "../core/td.ts";
import { type LossTerms, type Tensor, tf } from "../engine/tensor.ts";
import type { RegressionConfig } from "./regression.ts";
import { overRows, type RowFunction, takeRows, trainOnRows } from "../core/rows.ts";

/** Parameters: the encoder's two hidden layers and two heads, the decoder. */
export interface ActionVae<L = Tensor> {
  /** Layers before the latent. */
  encoder: Linear<L>[];
  /** Head that gives the latent's mean. */
  mean: Linear<L>;
  /** Head that gives the logarithm of the latent's standard deviation. */
  logStandardDeviation: Linear<L>;
  /** From state, successor and latent to an action. */
  decoder: Linear<L>[];
}

/** Defaults for fewer than 900,000 rows (medium-replay); the authors take a width of 750 for more. */
export const actionVaeDefaults: RegressionConfig = {
  updates: 400_000,
  batchSize: 100,
  learningRate: 1e-4,
  hidden: 128,
};

/** Fresh parameters; the latent has twice the action's dimensions. */
export function initActionVae(observationDim: number, actionDim: number, hidden: number, rng: Rng): ActionVae<NdArray> {
  const latent = 2 * actionDim;
  const [head, other] = ["mean", "deviation"].map((name) => initMlp([hidden, latent], rng.child(name))[0]);
  return {
    encoder: initMlp([2 * observationDim + actionDim, hidden, hidden], rng.child("encoder")),
    mean: head,
    logStandardDeviation: other,
    decoder: initMlp([2 * observationDim + latent, hidden, hidden, actionDim], rng.child("decoder")),
  };
}

/** Actions `[batch, A]` of connections `[batch, 2 S]` and latents `[batch, 2 A]`. */
function decodeActions(decoder: Linear[], connection: Tensor, z: Tensor, maxAction: number): Tensor {
  return tf.mul(tf.tanh(mlp(decoder, tf.concat([connection, z], 1), relu)), maxAction);
}

/** `KL(N(mean, sigma^2) || N(0, 1))`, averaged over rows and dimensions as the authors do. */
export function meanKl(mean: Tensor, sigma: Tensor): Tensor {
  const variance = tf.square(sigma);
  return tf.mul(tf.mean(tf.sub(tf.sub(tf.add(tf.log(variance), 1), tf.square(mean)), variance)), -0.5);
}

/** Half the sum of reconstruction error and divergence (authors' code). */
export function actionVaeLoss(error: Tensor, kl: Tensor): LossTerms {
  return { total: tf.mul(tf.add(error, kl), 0.5), error, kl };
}

/**
 * Trains the autoencoder.
 *
 * @param connections States and the next ones side by side, `[count, 2 S]`.
 * @param action `[count, A]`
 */
export async function trainActionVae(
  { connections, action, count }: { connections: Float32Array; action: Float32Array; count: number },
  config: RegressionConfig,
  maxAction: number,
  rng: Rng,
  onProgress: (share: number) => void = () => {},
): Promise<ActionVae<NdArray>> {
  const [from, to] = [connections.length / count, action.length / count];
  type State = Trained<ActionVae<NdArray>>;
  const update = compile<{ state: State; x: NdArray; a: NdArray; noise: NdArray; step: AdamStep }>(
    "stitching/action_vae",
    ({ state, x, a, noise, step }) => ({
      state: trainStep(state, (p) => {
        const h = relu(mlp(p.encoder, tf.concat([x, a], 1), relu));
        const [mean, sigma] = [linear(p.mean, h), tf.exp(tf.clipByValue(linear(p.logStandardDeviation, h), -4, 15))];
        const z = tf.add(mean, tf.mul(sigma, noise));
        return actionVaeLoss(meanSquaredError(decodeActions(p.decoder, x, z, maxAction), a), meanKl(mean, sigma));
      }, step).next,
    }),
  );
  const first = initTrained(initActionVae(from / 2, to, config.hidden, rng.child("init")));
  const { params } = await trainOnRows(first, count, config, rng, async (state, rows, k) => {
    const noise = drawNormals(rows.length, 2 * to, rng.child(`noise/${k}`));
    const step = adamStep(k + 1, { learningRate: config.learningRate });
    const batch = { x: takeRows(connections, from, rows), a: takeRows(action, to, rows), noise };
    return (await update({ state, ...batch, step })).state as State;
  }, onProgress);
  return params;
}

/** Actions of connections, each from a latent drawn anew: unit Gaussian, not clipped (authors' code). */
export function actionVaeFunction(p: ActionVae<NdArray>, maxAction: number, rng: Rng): RowFunction {
  const decode = compile<{ p: Linear<NdArray>[]; x: NdArray; z: NdArray }, { action: Tensor }>(
    "stitching/decode",
    ({ p, x, z }) => ({ action: decodeActions(p, x, z, maxAction) }),
  );
  const actionDim = p.decoder.at(-1)!.bias.data.length;
  let calls = 0;
  return (inputs, rows) =>
    overRows(inputs, rows, actionDim, async (x) => {
      const z = drawNormals(x.shape[0], 2 * actionDim, rng.child(`${calls++}`));
      return (await decode({ p: p.decoder, x, z })).action;
    });
}
