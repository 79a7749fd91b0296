import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type BridgeName, bridges, flowTeacher, levelColumns, type Levels } from "../../../algorithms/bridges/mod.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { type NdArray, ndarray } from "../../../algorithms/engine/array.ts";
import { useBackend } from "../../../algorithms/engine/backend.ts";
import { compile } from "../../../algorithms/engine/compile.ts";
import { bridgePulls, exactVelocity, pullFigure } from "../../../results/experiments/bridges/pulls.ts";

await useBackend("onnx");
const names = Object.keys(bridges) as BridgeName[];

Deno.test("exactVelocity() expects the action of two Gaussians by their weights behind a noisy one, in closed form", async () => {
  const data = { centres: [-0.5, 0, 0.5, 0], deviation: 0.1 };
  const teacher = flowTeacher();
  const [t, x] = [0.6, [0.2, 0.1]];
  const levels = levelColumns([teacher.levelAt((1 - t) / t)]);
  const { clean } = await compile<{ x: NdArray; levels: Levels<NdArray> }>("test", ({ x, levels }) => ({
    clean: teacher.denoise(exactVelocity(data), x, levels),
  }))({ x: ndarray(x, [1, 2]), levels });
  const variance = (t * 0.1) ** 2 + (1 - t) ** 2;
  const likelihood = (c: number) => Math.exp(-((x[0] - t * c) ** 2 + x[1] ** 2) / (2 * variance));
  const share = likelihood(0.5) / (likelihood(0.5) + likelihood(-0.5));
  const centre = 0.5 * (2 * share - 1);
  const gain = t * 0.01 / variance;
  assertAlmostEquals(clean.data[0], centre + gain * (x[0] - t * centre), 1e-5);
  assertAlmostEquals(clean.data[1], gain * x[1], 1e-5);
});

for (const bridge of names) {
  Deno.test(`bridgePulls() of ${bridge}: towards one narrow Gaussian, and not at all where one move is exact`, async () => {
    const [cx, cy] = [0.3, -0.2];
    const slant = bridge === "kl" ? Infinity : 0.35; // KL also pushes away from where the student is already.
    const points = ndarray([-0.6, 0.5, 0.7, 0.4, 0.1, -0.8], [3, 2]);
    const { data } = await bridgePulls(bridge, { centres: [cx, cy], deviation: 0.02 }, points, createRng(0));
    for (let i = 0; i < 3; i++) {
      const [dx, dy] = [cx - points.data[2 * i], cy - points.data[2 * i + 1]];
      const [along, across] = [
        (data[2 * i] * dx + data[2 * i + 1] * dy) / Math.hypot(dx, dy),
        (data[2 * i] * dy - data[2 * i + 1] * dx) / Math.hypot(dx, dy),
      ];
      if (bridge === "composition") assert(Math.hypot(along, across) < 1e-3, `${along}, ${across}`);
      else assert(along > 1e-3 && Math.abs(across) < slant * along, `${along} along, ${across} across`);
    }
  });
}

Deno.test("pullFigure() draws an arrow per point, none longer than the spacing allows but for rounding", async () => {
  const data = { centres: [-0.5, -0.5, 0.5, 0.5], deviation: 0.05 };
  const points = ndarray([0, 0.2, 0.4, 0.1, -0.3, 0.2, 0.6, 0.6], [4, 2]);
  const { layer } = pullFigure(
    "score",
    data,
    points,
    await bridgePulls("score", data, points, createRng(0)),
  ) as never as {
    layer: { data: { values: { x: number; y: number; x2: number; y2: number }[] } }[];
  };
  const arrows = layer[1].data.values;
  assertEquals(arrows.length, 4);
  assert(arrows.every(({ x, y, x2, y2 }) => Math.hypot(x2 - x, y2 - y) <= 0.8 + 0.002));
});
