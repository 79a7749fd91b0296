import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { useBackend } from "../../algorithms/core/backend.ts";
import { type NdArray, ndarray } from "../../algorithms/core/compile.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { tf } from "../../algorithms/core/tensor.ts";
import { treeLeaves } from "../../algorithms/core/tree.ts";
import { exactNoise, mixtureNoise, regularizeActions, srpoToy } from "../../algorithms/srpo/mod.ts";
import { banditSets, mixtureDensity, pointMixtures } from "../../data/bandits.ts";
import { exactModel, sweepToy, toySets } from "../../results/toy.ts";

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
    assert(exact.denser >= 0.95 && exact.largestLoss < 0.2, `${exact.denser}, loss ${exact.largestLoss}`);
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
