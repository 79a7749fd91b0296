import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { useBackend } from "../../../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../../../algorithms/engine/array.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { tf } from "../../../algorithms/engine/tensor.ts";
import { treeLeaves } from "../../../algorithms/engine/tree.ts";
import { vpMarginal } from "../../../algorithms/core/vp_sde.ts";
import { banditSets, mixtureDensity, pointMixtures } from "../../../data/bandits.ts";
import { exactNoise, mixtureNoise, regularizeActions, srpoToy } from "../../../results/experiments/toy/model.ts";
import { exactModel, sweepToy, toySets, toyTargets } from "../../../results/experiments/toy/study.ts";

Deno.test("mixtureNoise() is minus sigma times the gradient of the diffused log density", async () => {
  await useBackend("cpu");
  const { centres, deviation, mode } = pointMixtures["8gaussians"]();
  const [alpha, sigma, h] = [0.7, 0.6, 1e-4];
  const diffused = {
    centres: centres.map((x) => alpha * x),
    deviation: Math.hypot(alpha * deviation, sigma),
    mode,
  };
  for (const [x, y] of [[0.3, -0.2], [2, 1], [-4, 3]]) {
    const column = (v: number) => tf.tensor2d([[v]]);
    const noise = mixtureNoise(
      tf.tensor2d(centres, [8, 2]),
      deviation,
      tf.tensor2d([[x, y]]),
      column(alpha),
      column(sigma),
    ).dataSync();
    const log = (dx: number, dy: number) => mixtureDensity(diffused, x + dx, y + dy).logDensity;
    assertAlmostEquals(noise[0], -sigma * (log(h, 0) - log(-h, 0)) / (2 * h), 1e-4);
    assertAlmostEquals(noise[1], -sigma * (log(0, h) - log(0, -h)) / (2 * h), 1e-4);
  }
});

for (const set of toySets) {
  Deno.test(`mixtureDensity() of ${set} integrates to one, and the set's own points lie where it says`, () => {
    const mixture = pointMixtures[set]();
    const [edge, cell] = [6, 0.1];
    let [sum, entropy] = [0, 0];
    for (let x = -edge + cell / 2; x < edge; x += cell) {
      for (let y = -edge + cell / 2; y < edge; y += cell) {
        const { logDensity } = mixtureDensity(mixture, x, y);
        sum += Math.exp(logDensity) * cell ** 2;
        entropy -= logDensity * Math.exp(logDensity) * cell ** 2;
      }
    }
    assertAlmostEquals(sum, 1, 1e-3);
    const points = banditSets[set](4000, createRng(set));
    let mean = 0;
    for (let i = 0; i < 4000; i++) mean -= mixtureDensity(mixture, points[2 * i], points[2 * i + 1]).logDensity / 4000;
    // The points' cross-entropy is the density's entropy; the soft edges of the squares cost 0.05.
    assertAlmostEquals(mean, entropy, 0.1);
  });

  Deno.test(`regularizeActions() on ${set} ends at the mode nearest to the target, where the data are denser`, async () => {
    await useBackend("onnx");
    const exact = await sweepToy(set, exactModel(set), createRng("sweep"));
    assertEquals(exact.nearest, 1);
    // A target on the ridge of a moon already is pulled off it a little by the other moon.
    assert(exact.denser >= 48 / 49 && exact.largestLoss < 0.1, `${exact.denser}, loss ${exact.largestLoss}`);
    assertEquals(exact.actions[0].slice(0, 2), [-4.5, -4.5]); // Without the score nothing moves.
  });
}

Deno.test("regularizeActions() on one Gaussian finds the fixed point of value and score", async () => {
  await useBackend("onnx");
  const [deviation, weight, target] = [0.5, 1, 2];
  const model = exactNoise({ centres: ndarray([0, 0], [1, 2]), deviation });
  const a = await regularizeActions(model, ndarray([target, 0], [1, 2]), ndarray([weight], [1, 1]), createRng("a"));
  // 2 (a - target) + weight kappa a = 0, with the specification's kappa of the score weighting at this deviation.
  assertAlmostEquals(a.data[0], 2 * target / (2 + weight * 0.6395796310), 0.05);
});

Deno.test("the toy's network has the official size", () => {
  const state = srpoToy.create(srpoToy.defaults, { observationDim: 1, actionDim: 2, maxAction: 5 }).init(createRng(0));
  const { network } = state.arrays as { network: { params: unknown } };
  const count = treeLeaves<NdArray>(network.params).reduce((sum, { data }) => sum + data.length, 0);
  assertEquals(count, 1_054_178);
});

/** The exact gradient of the toy objective at 1 / beta = 1, by the trapezoid rule over time and noise, in float64. */
function exactGradient(mixture: ReturnType<typeof pointMixtures.moons>, [x, y]: number[], target: number[]): number[] {
  const { centres, deviation, mode } = mixture;
  const nodes = Array.from({ length: 15 }, (_, i) => -5 + 10 * i / 14);
  const total = nodes.reduce((sum, z) => sum + Math.exp(-z * z / 2), 0);
  const times = Array.from({ length: 40 }, (_, i) => 0.02 + 0.96 * (i + 0.5) / 40);
  const gradient = [2 * (x - target[0]), 2 * (y - target[1])];
  for (const t of times) {
    const { alpha, sigma } = vpMarginal(t);
    const variance = alpha ** 2 * deviation ** 2 + sigma ** 2;
    for (const z0 of nodes) {
      for (const z1 of nodes) {
        const [u, v] = [alpha * x + sigma * z0, alpha * y + sigma * z1];
        const logs = mode.map((_, i) =>
          -((u - alpha * centres[2 * i]) ** 2 + (v - alpha * centres[2 * i + 1]) ** 2) / (2 * variance)
        );
        const most = Math.max(...logs);
        let [weight, meanU, meanV] = [0, 0, 0];
        logs.forEach((log, i) => {
          const w = Math.exp(log - most);
          weight += w;
          meanU += w * centres[2 * i];
          meanV += w * centres[2 * i + 1];
        });
        // alpha / sigma times the expected noise, whose own mean is zero.
        const share = Math.exp(-(z0 * z0 + z1 * z1) / 2) / total ** 2 / times.length * alpha / variance;
        gradient[0] += share * (u - alpha * meanU / weight);
        gradient[1] += share * (v - alpha * meanV / weight);
      }
    }
  }
  return gradient;
}

Deno.test("the one target that loses density on moons does so at the objective's exact optimum, and the sweep finds it", async () => {
  const mixture = pointMixtures.moons();
  const target = [0, 1.5];
  let action = target;
  let gradient = [0, 0];
  for (let k = 0; k < 60; k++) {
    gradient = exactGradient(mixture, action, target);
    action = action.map((a, d) => a - 0.1 * gradient[d]);
  }
  assert(Math.hypot(...gradient) < 1e-3, `${gradient}`); // It has converged.
  const logDensity = ([x, y]: number[]) => mixtureDensity(mixture, x, y).logDensity;
  const change = logDensity(action) - logDensity(target);
  assert(change < -0.02 && change > -0.2, `${change}`);
  const { actions } = await sweepToy("moons", exactModel("moons"), createRng("exact"));
  const at = 2 * toyTargets.findIndex(([x, y]) => x === target[0] && y === target[1]);
  const swept = actions[actions.length - 1].slice(at, at + 2);
  assert(Math.hypot(swept[0] - action[0], swept[1] - action[1]) < 0.05, `${swept} and ${action}`);
});
