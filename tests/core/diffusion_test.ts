import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { drawSigmas, edmDefaults, edmDenoiser, edmLevels, edmLoss, edmScalings } from "../../algorithms/core/edm.ts";
import type { NoiseLevel } from "../../algorithms/core/denoiser.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { cleanFromNoise, sampleAncestral, sampleDdim, sampleHeun } from "../../algorithms/core/samplers.ts";
import { type Tensor, tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import { scheduleLevels, vpSchedule } from "../../algorithms/core/vp.ts";

const sigmaData = edmDefaults.sigmaData;

Deno.test("edmDenoiser() with a zero network is the exact denoiser of N(0, sigmaData^2)", async () => {
  const zero = (x: Tensor) => tf.zerosLike(x);
  const run = compile("zero", ({ x, sigma }) => ({ y: edmDenoiser(zero, edmDefaults, Infinity)(x, sigma) }));
  const [x, sigma] = [ndarray([0.3, -1, 4], [3, 1]), ndarray([0.1, 1, 10], [3, 1])];
  const { y } = await run({ x, sigma });
  x.data.forEach((v, i) =>
    assertAlmostEquals(y.data[i], v * sigmaData ** 2 / (sigmaData ** 2 + sigma.data[i] ** 2), 1e-6)
  );
});

Deno.test("edmScalings() are functions of u alone: skip 1 - u, out sigmaData sqrt(u), in sqrt(1 - u) / sigmaData", async () => {
  const us = [0.01, 0.3, 0.7, 0.99];
  const run = compile("scalings", ({ sigma }) => edmScalings(sigma, edmDefaults));
  const c = await run({ sigma: ndarray(us.map((u) => sigmaData * Math.sqrt(u / (1 - u))), [4, 1]) });
  us.forEach((u, i) => {
    assertAlmostEquals(c.skip.data[i], 1 - u, 1e-6);
    assertAlmostEquals(c.out.data[i], sigmaData * Math.sqrt(u), 1e-6);
    assertAlmostEquals(c.in.data[i], Math.sqrt(1 - u) / sigmaData, 1e-6);
  });
});

// K1 and K0 of E[loss] = K1 (a - mu)^2 + K0, by quadrature over u in the specification.
const constants = [[0.1, 9.8045, 0.03606], [0.25, 4.5249, 0.17929], [0.5, 1.99995, 0.50001], [1, 0.71709, 1.13124]];

for (const [spread, k1, k0] of constants) {
  Deno.test(`edmLoss() of the exact denoiser of N(mu, ${spread}^2) has the closed form K1 (a - mu)^2 + K0`, async () => {
    const [rows, mu] = [1_000_000, 0.2];
    // The raw network behind the exact denoiser D = (s0^2 x + sigma^2 mu) / (s0^2 + sigma^2).
    const run = compile("closed form", ({ a, sigma, epsilon }) => {
      const s2 = tf.square(sigma);
      const c = edmScalings(sigma, edmDefaults);
      const network = (scaled: Tensor) => {
        const x = tf.div(scaled, c.in);
        const exact = tf.div(tf.add(tf.mul(x, spread ** 2), tf.mul(s2, mu)), tf.add(s2, spread ** 2));
        return tf.div(tf.sub(exact, tf.mul(c.skip, x)), c.out);
      };
      return { loss: edmLoss(network, a, sigma, epsilon, edmDefaults, Infinity) };
    });
    const rng = createRng(`closed form/${spread}`);
    for (const a of [mu, mu + 1]) {
      const { loss } = await run({
        a: ndarray(new Float32Array(rows).fill(a), [rows, 1]),
        sigma: ndarray(drawSigmas(rows, edmDefaults, rng), [rows, 1]),
        epsilon: ndarray(rng.fillNormal(new Float32Array(rows)), [rows, 1]),
      });
      const expected = k1 * (a - mu) ** 2 + k0;
      assertAlmostEquals(loss.data[0], expected, 0.01 * expected); // Monte Carlo, 1e6 draws
    }
  });
}

Deno.test("edmLoss() has the gradient of finite differences, with and without a clipped element", async () => {
  const loss = compile("loss", ({ x, sigma, epsilon, w }) => {
    const network = (input: Tensor) => tf.tanh(tf.matMul(input as tf.Tensor2D, w as tf.Tensor2D));
    const free = valueAndGrad((p: { x: Tensor }) => edmLoss(network, p.x, sigma, epsilon, edmDefaults, Infinity), {
      x,
    });
    const clipped = valueAndGrad((p: { x: Tensor }) => edmLoss(network, p.x, sigma, epsilon, edmDefaults, 0.3), { x });
    return { free, clipped };
  });
  const inputs = {
    sigma: ndarray([0.3, 1.5], [2, 1]),
    epsilon: ndarray([0.5, -1, 0.7, 0.2], [2, 2]),
    w: ndarray([0.5, -0.3, 0.8, 0.1], [2, 2]),
  };
  const at = [0.6, -0.2, 0.1, 0.4];
  const base = await loss({ ...inputs, x: ndarray(at, [2, 2]) });
  for (const kind of ["free", "clipped"] as const) {
    for (let i = 0; i < 4; i++) {
      const h = 1e-2;
      const moved = async (sign: number) =>
        (await loss({ ...inputs, x: ndarray(at.map((v, k) => k === i ? v + sign * h : v), [2, 2]) }))[kind].value
          .data[0];
      const difference = (await moved(1) - await moved(-1)) / (2 * h);
      assertAlmostEquals(base[kind].grad.x.data[i], difference, 2e-3); // float32 differences, error O(h^2)
    }
  }
});

// The probability flow of N(0, 1): x(sigma) is proportional to sqrt(1 + sigma^2).
const gaussianDenoiser = (x: Tensor, { sigma }: NoiseLevel) => tf.div(x, 1 + sigma ** 2);

async function flowError(sampler: typeof sampleDdim, steps: number): Promise<number> {
  const sigmas = Array.from({ length: steps + 1 }, (_, i) => 2 - 1.5 * i / steps);
  const levels = sigmas.map((sigma) => ({ time: sigma, alpha: 1, sigma }));
  const run = compile("flow", ({ x }) => ({ y: sampler(gaussianDenoiser, x, levels) }));
  const { y } = await run({ x: ndarray([1], [1, 1]) });
  return Math.abs(y.data[0] - Math.sqrt(1.25 / 5));
}

for (const [name, sampler, order] of [["sampleDdim", sampleDdim, 1], ["sampleHeun", sampleHeun, 2]] as const) {
  Deno.test(`${name}() has order ${order} on the Gaussian probability-flow ODE`, async () => {
    const observed = Math.log2(await flowError(sampler, 4) / await flowError(sampler, 8));
    assertAlmostEquals(observed, order, 0.35);
  });
}

Deno.test("edmLevels() falls from sigmaMax to sigmaMin and ends at 0", () => {
  const sigmas = edmLevels(10, edmDefaults).map(({ sigma }) => sigma);
  assertAlmostEquals(sigmas[0], 80, 1e-9);
  assertAlmostEquals(sigmas[9], 0.002, 1e-9);
  assertEquals(sigmas[10], 0);
  assert(sigmas.every((s, i) => i === 0 || s < sigmas[i - 1]));
});

/** Deviations after DDPM and DDIM with the exact noise predictor of N(0, spread^2): both chains are linear. */
function chainDeviations(steps: number, spread: number): { ddpm: number; ddim: number } {
  const { alphaBar, posterior } = vpSchedule(steps);
  let [variance, factor] = [1, 1];
  for (let t = steps - 1; t >= 0; t--) {
    const clean = Math.sqrt(alphaBar[t]) * spread ** 2 / (alphaBar[t] * spread ** 2 + 1 - alphaBar[t]); // E[x_0 | x_t = 1]
    const epsilon = (1 - Math.sqrt(alphaBar[t]) * clean) / Math.sqrt(1 - alphaBar[t]);
    const next = t === 0 ? 1 : alphaBar[t - 1];
    variance = (posterior[t].clean * clean + posterior[t].noisy) ** 2 * variance + posterior[t].variance;
    factor *= Math.sqrt(next) * clean + Math.sqrt(1 - next) * epsilon;
  }
  return { ddpm: Math.sqrt(variance), ddim: factor };
}

Deno.test("vpSchedule()'s chains converge to the data's spread as steps grow", () => {
  for (const name of ["ddpm", "ddim"] as const) {
    const errors = [50, 200, 800].map((steps) => Math.abs(chainDeviations(steps, 0.5)[name] - 0.5));
    assert(errors[0] > errors[1] && errors[1] > errors[2] && errors[2] < 0.005, `${name}: ${errors}`);
  }
});

Deno.test("sampleAncestral() and sampleDdim() of the exact noise predictor have the spread of their linear chains", async () => {
  const [steps, rows, spread] = [50, 4000, 0.5];
  const schedule = vpSchedule(steps);
  const clean = cleanFromNoise((x, { alpha, sigma }) => tf.mul(x, sigma / ((alpha * spread) ** 2 + sigma ** 2)));
  const levels = scheduleLevels(schedule, Array.from({ length: steps }, (_, i) => steps - 1 - i));
  const run = compile<{ x: NdArray; noises: NdArray[] }>("vp", ({ x, noises }) => ({
    ddpm: sampleAncestral(clean, x, levels, noises),
    ddim: sampleDdim(clean, x, levels),
  }));
  const rng = createRng("vp");
  const draw = () => ndarray(rng.fillNormal(new Float32Array(rows)), [rows, 1]);
  const x = draw();
  const samples = await run({ x, noises: Array.from({ length: steps }, draw) });
  const exact = chainDeviations(steps, spread);
  const deviation = Math.sqrt(samples.ddpm.data.reduce((a: number, b: number) => a + b * b, 0) / rows);
  assertAlmostEquals(deviation, exact.ddpm, 4 * exact.ddpm / Math.sqrt(2 * rows)); // four standard errors
  x.data.forEach((v, i) => assertAlmostEquals(samples.ddim.data[i], exact.ddim * v, 1e-5)); // deterministic
});

Deno.test("vpSchedule() refuses a number of steps that is not a positive integer", () => {
  assertThrows(() => vpSchedule(0), RangeError, "steps must be a positive integer, current value is 0");
});
