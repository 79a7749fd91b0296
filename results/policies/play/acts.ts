/**
 * Exported policies in ONNX Runtime for browsers.
 *
 * @module
 */

/// <reference lib="dom" />

import * as ort from "onnxruntime-web/wasm";
import { type NoiseLevel, sampleActionChain } from "../../../algorithms/core/denoiser.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import type { PlayPolicy } from "./messages.ts";

/** An action for an observation. */
export type Act = (observation: Float32Array) => Promise<Float32Array>;

async function fetchBytes(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`Cannot load ${url}: status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

const tensor = (data: Float32Array, shape: readonly number[]) => new ort.Tensor("float32", data, shape);

/**
 * Opens a policy.
 *
 * @param calls Network calls of the next action, for an iterative one.
 */
export function openPolicy(policy: PlayPolicy, actionDim: number, calls: () => number): Promise<Act> {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };
  return policy.kind === "one-step" ? openOneStep(policy) : openIterative(policy, actionDim, calls);
}

async function openOneStep({ folder }: PlayPolicy): Promise<Act> {
  const rng = createRng("play");
  const session = await ort.InferenceSession.create(await fetchBytes(`${folder}/policy.onnx`));
  const noise = session.inputMetadata.find(({ name }) => name === "noise");
  const shape = noise?.isTensor ? noise.shape.map((n) => typeof n === "number" ? n : 1) : null;
  return async (observation) => {
    const feeds: Record<string, ort.Tensor> = { observation: tensor(observation, [1, observation.length]) };
    if (shape) feeds.noise = tensor(rng.fillNormal(new Float32Array(shape.reduce((a, b) => a * b))), shape);
    return (await session.run(feeds)).action.data as Float32Array;
  };
}

async function openIterative({ folder }: PlayPolicy, actionDim: number, calls: () => number): Promise<Act> {
  const rng = createRng("play");
  const [bytes, table] = await Promise.all([
    fetchBytes(`${folder}/denoiser.onnx`),
    fetchBytes(`${folder}/denoiser.json`),
  ]);
  const session = await ort.InferenceSession.create(bytes);
  const levels = JSON.parse(new TextDecoder().decode(table)) as Record<string, NoiseLevel[]>;
  return (observation) => {
    const clean = async (sample: Float32Array, { time, alpha, sigma }: NoiseLevel) => {
      const results = await session.run({
        observation: tensor(observation, [1, observation.length]),
        sample: tensor(sample, [1, actionDim]),
        level: tensor(Float32Array.of(time, alpha, sigma), [1, 3]),
      });
      return results.clean.data as Float32Array;
    };
    return sampleActionChain(clean, rng.fillNormal(new Float32Array(actionDim)), levels[calls()]);
  };
}
