import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { drawQuasiUniforms, gaussiansFromUniforms } from "../../algorithms/core/quasirandom.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { dtqlDefaults } from "../../algorithms/dtql/config.ts";
import { drawActorNoise } from "../../algorithms/dtql/networks.ts";

const mean = (xs: ArrayLike<number>) => Array.from(xs).reduce((a, b) => a + b, 0) / xs.length;
const variance = (xs: readonly number[]) => mean(xs.map((x) => (x - mean(xs)) ** 2));

Deno.test("drawQuasiUniforms() follows the golden ratio in one dimension and the plastic number in two, from a shift of the seed", () => {
  const plastic = 1.32471795724474602596;
  for (const [dims, steps] of [[1, [(Math.sqrt(5) - 1) / 2]], [2, [1 / plastic, 1 / plastic ** 2]]] as const) {
    const points = drawQuasiUniforms(50, dims, createRng("q"));
    assertEquals(points, drawQuasiUniforms(50, dims, createRng("q")));
    for (let row = 0; row < 50; row++) {
      for (let d = 0; d < dims; d++) {
        assertAlmostEquals(points[row * dims + d], (points[d] + row * steps[d]) % 1, 1e-12);
      }
    }
  }
});

Deno.test("means over quasi-random points are unbiased and have less than an eighth of the variance of those over independent ones", () => {
  const [rows, dims, repeats] = [512, 5, 200];
  const smooth = (point: ArrayLike<number>) => Array.from(point).reduce((product, u) => product * (0.5 + u), 1); // Mean 1.
  const meanOf = (points: Float64Array) =>
    mean(Array.from({ length: rows }, (_, i) => smooth(points.subarray(dims * i, dims * (i + 1)))));
  const quasi: number[] = [], independent: number[] = [];
  for (let k = 0; k < repeats; k++) {
    const rng = createRng(`repeat ${k}`);
    quasi.push(meanOf(drawQuasiUniforms(rows, dims, rng)));
    independent.push(meanOf(rng.fillUniform(new Float64Array(rows * dims))));
  }
  assertAlmostEquals(mean(quasi), 1, 4 * Math.sqrt(variance(quasi) / repeats));
  assert(variance(quasi) < variance(independent) / 8, `${variance(quasi)} against ${variance(independent)}`);
});

Deno.test("gaussiansFromUniforms() has the moments of two independent unit Gaussians", () => {
  const uniforms = drawQuasiUniforms(20_000, 2, createRng("g"));
  const pairs = Array.from({ length: 20_000 }, (_, i) => gaussiansFromUniforms(uniforms[2 * i], uniforms[2 * i + 1]));
  for (const [power, expected] of [[1, 0], [2, 1], [3, 0], [4, 3]]) {
    for (const k of [0, 1]) assertAlmostEquals(mean(pairs.map((pair) => pair[k] ** power)), expected, 0.02);
  }
  assertAlmostEquals(mean(pairs.map(([x, y]) => x * y)), 0, 0.01);
});

Deno.test("quasi-random actor noise: mirrored pairs, unit Gaussians, noise levels of the same law as independent ones", () => {
  const spec = { observationDim: 1, actionDim: 3, maxAction: 1 };
  const draw = (actorNoise: "quasirandom" | "independent", rows: number) =>
    drawActorNoise(rows, spec, { ...dtqlDefaults, actorNoise }, createRng("n"));
  const { action, epsilon, sigma } = draw("quasirandom", 4001);
  assertEquals([action.shape, epsilon.shape, sigma.shape], [[4001, 3], [4001, 3], [4001, 1]]);
  for (const { data } of [action, epsilon]) {
    for (let i = 0; i < 3; i++) assertEquals(data[3 + i], -data[i]);
    assertAlmostEquals(mean(data.map((x) => x * x)), 1, 0.01);
  }
  assertEquals(sigma.data[1], sigma.data[0]);
  const quantiles = (data: ArrayLike<number>) => {
    const sorted = Array.from(data).sort((a, b) => a - b);
    return [0.1, 0.5, 0.9].map((q) => sorted[Math.floor(q * sorted.length)]);
  };
  const independent = quantiles(draw("independent", 100_000).sigma.data);
  quantiles(sigma.data).forEach((x, i) => assertAlmostEquals(x / independent[i], 1, 0.03));
});
