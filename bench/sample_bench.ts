/**
 * Sampling: DTQL's one-step policy against T denoising passes of its own diffusion network, same observations, same run.
 *
 * @module
 */

import { type NdArray, ndarray } from "../algorithms/engine/array.ts";
import { compile } from "../algorithms/engine/compile.ts";
import { edmDefaults, edmDenoiserAt, edmLevels } from "../algorithms/core/edm.ts";
import type { Linear } from "../algorithms/core/nn.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { sampleDdim } from "../algorithms/core/samplers.ts";
import {
  actorSample,
  type DiffusionNetwork,
  diffusionNetwork,
  dtqlDefaults,
  initActor,
  initDiffusionNetwork,
} from "../algorithms/dtql/mod.ts";
import { spec } from "./dtql_workload.ts";

const rng = createRng("sampling");
const actor = initActor(spec, dtqlDefaults, rng.child("actor"));
const diffusion = initDiffusionNetwork(spec, dtqlDefaults, rng.child("diffusion"));

const oneStep = compile<{ p: Linear<NdArray>[]; s: NdArray; noise: NdArray }>("one step", ({ p, s, noise }) => ({
  action: actorSample(p, s, noise, spec.maxAction),
}));
const iterative = (passes: number) =>
  compile<{ p: DiffusionNetwork<NdArray>; s: NdArray; noise: NdArray }>(`${passes} passes`, ({ p, s, noise }) => {
    const denoise = edmDenoiserAt((x, level) => diffusionNetwork(p, x, s, level), edmDefaults, spec.maxAction);
    return { action: sampleDdim(denoise, noise, edmLevels(passes, edmDefaults)) };
  });

for (const batch of [1, 256]) {
  const draw = (dim: number) => ndarray(rng.fillNormal(new Float32Array(batch * dim)), [batch, dim]);
  const [s, noise] = [draw(spec.observationDim), draw(spec.actionDim)];
  const group = `sampling, batch ${batch}`;
  const n = batch === 1 ? 1000 : 60;
  await oneStep({ p: actor, s, noise });
  Deno.bench("one step (DTQL)", { group, baseline: true, n, warmup: 50 }, async () => {
    await oneStep({ p: actor, s, noise });
  });
  for (const passes of [5, 10, 20, 50]) {
    const run = iterative(passes);
    await run({ p: diffusion, s, noise });
    Deno.bench(`${passes} denoising steps`, { group, n: Math.ceil(n / 2), warmup: 10 }, async () => {
      await run({ p: diffusion, s, noise });
    });
  }
}
