import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import * as ort from "onnxruntime-node";
import type { Agent } from "../../algorithms/core/agent.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { type NoiseLevel, sampleActionChain } from "../../algorithms/core/denoiser.ts";
import { edmDefaults, edmDenoiserAt, edmLevels } from "../../algorithms/core/edm.ts";
import { behaviourNoise } from "../../algorithms/core/ln_resnet.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { cleanFromNoise, sampleDdim } from "../../algorithms/core/samplers.ts";
import { type Tensor, tf } from "../../algorithms/engine/tensor.ts";
import { mapTree } from "../../algorithms/engine/tree.ts";
import type { NdArray } from "../../algorithms/engine/array.ts";
import { scheduleLevels, vpSchedule } from "../../algorithms/core/vp.ts";
import { sampleDpm } from "../../algorithms/core/dpm_solver.ts";
import { vpLevels } from "../../algorithms/core/vp_sde.ts";
import { createDiffusionQl, diffusionQlDefaults, noiseNetwork } from "../../algorithms/diffusion_ql.ts";
import { createDtql, diffusionNetwork, dtqlDefaults } from "../../algorithms/dtql/mod.ts";
import { createSrpo, srpoDefaults } from "../../algorithms/srpo/mod.ts";

const spec = { observationDim: 5, actionDim: 2, maxAction: 1 };
const observation = createRng("observation").fillNormal(new Float32Array(5));
const start = createRng("start").fillNormal(new Float32Array(2));

/** The action of an exported denoiser's chain, and how often its network ran. */
async function sampleExported(agent: Agent, arrays: unknown, nfe: number) {
  const { bytes, levels, mostNfe } = agent.exportDenoiser!({ updates: 0, arrays });
  assert(mostNfe >= nfe);
  const session = await ort.InferenceSession.create(bytes);
  let ran = 0;
  const clean = async (sample: Float32Array, { time, alpha, sigma }: NoiseLevel) => {
    ran++;
    const results = await session.run({
      observation: new ort.Tensor("float32", observation, [1, 5]),
      sample: new ort.Tensor("float32", sample, [1, 2]),
      level: new ort.Tensor("float32", Float32Array.of(time, alpha, sigma), [1, 3]),
    });
    return results.clean.data as Float32Array;
  };
  return { action: await sampleActionChain(clean, start, levels(nfe)), ran };
}

/** The same by TF.js and the samplers of training. */
async function sampleEagerly(arrays: unknown, sample: (p: never, s: Tensor, x: Tensor) => Tensor) {
  await useBackend("cpu");
  const params = mapTree<NdArray, Tensor>(arrays, ({ data, shape }) => tf.tensor(data, [...shape]));
  const action = sample(params as never, tf.tensor(observation, [1, 5]), tf.tensor(start, [1, 2])).dataSync();
  await useBackend("onnx");
  return action;
}

const agree = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  for (let i = 0; i < 2; i++) assertAlmostEquals(a[i], b[i], 1e-4 * Math.max(1, Math.abs(b[i])));
};

Deno.test("SRPO's exported behaviour model samples as DPM-Solver++ of order 1 does", async () => {
  const agent = createSrpo({ ...srpoDefaults, behaviourHidden: 32, blocks: 2, hidden: 16 }, spec);
  const { arrays } = agent.init(createRng("srpo"));
  for (const nfe of [1, 5, 15]) {
    const { action, ran } = await sampleExported(agent, arrays, nfe);
    const wanted = await sampleEagerly(
      arrays,
      (p: { behaviour: { params: never }; frequencies: Tensor }, s, x) =>
        sampleDpm(
          cleanFromNoise((x, { time }) =>
            behaviourNoise(p.behaviour.params, p.frequencies, x, tf.fill([1, 1], time), s, null)
          ),
          x,
          vpLevels(nfe),
          { order: 1, steps: "multi", prediction: "clean" },
        ),
    );
    assertEquals(ran, nfe);
    agree(action, wanted);
  }
});

Deno.test("DTQL's exported diffusion model samples as Euler's method does", async () => {
  const agent = createDtql({ ...dtqlDefaults, hidden: 16, diffusionHidden: 16 }, spec);
  const { arrays } = agent.init(createRng("dtql"));
  for (const nfe of [1, 5, 20]) {
    const { action, ran } = await sampleExported(agent, arrays, nfe);
    const wanted = await sampleEagerly(arrays, (p: { diffusion: { params: never } }, s, x) => {
      const denoise = edmDenoiserAt((x, level) => diffusionNetwork(p.diffusion.params, x, s, level), edmDefaults, 1);
      return sampleDdim(denoise, tf.mul(x, edmDefaults.sigmaMax), edmLevels(nfe, edmDefaults));
    });
    assertEquals(ran, nfe);
    agree(action, wanted);
  }
});

Deno.test("Diffusion-QL's exported policy samples as DDIM does, in at most its own steps", async () => {
  const agent = createDiffusionQl({ ...diffusionQlDefaults, hidden: 16 }, spec);
  const { arrays } = agent.init(createRng("dql"));
  assertEquals(agent.exportDenoiser!({ updates: 0, arrays }).mostNfe, 5);
  const schedule = vpSchedule(5);
  for (const times of [[4], [4, 2, 0], [4, 3, 2, 1, 0]]) {
    const { action, ran } = await sampleExported(agent, arrays, times.length);
    const wanted = await sampleEagerly(arrays, (p: { actor: { params: never } }, s, x) => {
      const clean = cleanFromNoise((x, { time }) => noiseNetwork(p.actor.params, x, tf.fill([1, 1], time), s));
      return sampleDdim(
        (x, level) => tf.clipByValue(clean(x, level), -1, 1),
        tf.mul(x, Math.sqrt(1 - schedule.alphaBar[4])),
        scheduleLevels(schedule, times),
      );
    });
    assertEquals(ran, times.length);
    agree(action, wanted);
  }
});
