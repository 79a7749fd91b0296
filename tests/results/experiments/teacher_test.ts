import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { encodeCheckpoint } from "../../../algorithms/engine/checkpoint.ts";
import { type NdArray, ndarray } from "../../../algorithms/engine/array.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { importTeacher } from "../../../results/experiments/distillation/teacher.ts";

const [s, a, h] = [3, 2, 5];
const spec = { observationDim: s, actionDim: a, maxAction: 1 };
const rng = createRng("teacher file");
const tensor = (name: string, ...shape: number[]) =>
  ndarray(rng.child(name).fillNormal(new Float32Array(shape.reduce((x, y) => x * y))), shape);

/** A policy of two layers with means and log deviations, a critic of three, and a normalization. */
const weights: Record<string, NdArray> = {
  "actor.0.weight": tensor("a0w", h, s),
  "actor.0.bias": tensor("a0b", h),
  "actor.1.weight": tensor("a1w", 2 * a, h),
  "actor.1.bias": tensor("a1b", 2 * a),
  "critic.0.weight": tensor("c0w", h, s + a),
  "critic.0.bias": tensor("c0b", h),
  "critic.1.weight": tensor("c1w", h, h),
  "critic.1.bias": tensor("c1b", h),
  "critic.2.weight": tensor("c2w", 1, h),
  "critic.2.bias": tensor("c2b", 1),
  observation_mean: ndarray(Float32Array.of(1, -2, 0.5), [s]),
  observation_std: ndarray(Float32Array.of(2, 0.5, 3), [s]),
};

async function withFile(tensors: Record<string, NdArray>, f: (path: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "teacher.safetensors");
    await Deno.writeFile(path, encodeCheckpoint(tensors));
    await f(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** PyTorch's linear layers with ReLU between them, in plain loops. */
function forward(net: string, x: number[], weights: Record<string, NdArray>): number[] {
  for (let k = 0; `${net}.${k}.weight` in weights; k++) {
    const [w, b] = [weights[`${net}.${k}.weight`], weights[`${net}.${k}.bias`]];
    const [out, inputs] = w.shape;
    const last = !(`${net}.${k + 1}.weight` in weights);
    x = Array.from({ length: out }, (_, o) => {
      let sum = b.data[o];
      for (let i = 0; i < inputs; i++) sum += w.data[o * inputs + i] * x[i];
      return last ? sum : Math.max(sum, 0);
    });
  }
  return x;
}

Deno.test("importTeacher() acts and values as the plain loops of its file do, normalization included", () =>
  withFile(weights, async (path) => {
    const teacher = await importTeacher(path, spec);
    const observation = tensor("observation", 4, s);
    const action = await teacher.agent.act(teacher.state, observation, 1, rng);
    const value = await teacher.value(observation, action);
    for (let row = 0; row < 4; row++) {
      const x = Array.from(
        { length: s },
        (_, i) => (observation.data[row * s + i] - weights.observation_mean.data[i]) / weights.observation_std.data[i],
      );
      const wanted = forward("actor", x, weights).slice(0, a).map(Math.tanh);
      wanted.forEach((v, i) => assertAlmostEquals(action.data[row * a + i], v, 1e-5));
      assertAlmostEquals(value.data[row], forward("critic", [...x, ...wanted], weights)[0], 1e-4);
    }
    assertEquals(value.shape, [4, 1]);
  }));

Deno.test("a teacher's samples have the mean and the standard deviations of its file before tanh, or 0.5", async () => {
  const n = 4000;
  const one = tensor("one state", 1, s);
  const many = ndarray(Float32Array.from({ length: n * s }, (_, i) => one.data[i % s]), [n, s]);
  const x = Array.from(one.data, (v, i) => (v - weights.observation_mean.data[i]) / weights.observation_std.data[i]);
  const smaller = (name: string, rows: number) => { // So that tanh's bounds, where float32 has no inverse, are far.
    const { data, shape: [, ...rest] } = weights[name];
    const row = rest.reduce((x, y) => x * y, 1);
    return { [name]: ndarray(Float32Array.from(data.subarray(0, rows * row), (w) => 0.2 * w), [rows, ...rest]) };
  };
  const head = (rows: number) => ({ ...weights, ...smaller("actor.1.weight", rows), ...smaller("actor.1.bias", rows) });
  for (const tensors of [head(2 * a), head(a)]) {
    await withFile(tensors, async (path) => {
      const teacher = await importTeacher(path, { ...spec, maxAction: 2 });
      const { data, shape } = await teacher.sample(many, createRng("samples"));
      assertEquals(shape, [n, a]);
      const wanted = forward("actor", x, tensors);
      for (let d = 0; d < a; d++) {
        const deviation = a + d in wanted ? Math.exp(wanted[a + d]) : 0.5;
        const raw = Float64Array.from({ length: n }, (_, i) => Math.atanh(data[i * a + d] / 2)).sort();
        const quartiles = [raw[n / 4], raw[n / 2], raw[3 * n / 4]];
        [-0.6745, 0, 0.6745].forEach((z, i) =>
          assertAlmostEquals(quartiles[i], wanted[d] + z * deviation, 0.1 * deviation, `${d}, quartile ${i + 1}`)
        );
      }
    });
  }
});

Deno.test("importTeacher() names what is missing or has the wrong shape", async () => {
  const rejects = (change: Record<string, NdArray | undefined>, message: string) => {
    const tensors = Object.fromEntries(
      Object.entries({ ...weights, ...change }).filter(([, t]) => t),
    ) as typeof weights;
    return withFile(tensors, async (path) => void await assertRejects(() => importTeacher(path, spec), Error, message));
  };
  await rejects({ "actor.0.weight": tensor("x", h, s + 1) }, "actor.0.weight must be [*, 3], current is [5,4]");
  await rejects({ "actor.0.weight": undefined }, "actor.0.weight must be there");
  await rejects({ "critic.1.bias": undefined }, "critic.1.bias must be [5], current is missing");
  await rejects(
    { "critic.2.weight": undefined, "critic.2.bias": undefined },
    "the last layer of critic must have 1 outputs",
  );
  await rejects({ observation_std: tensor("y", 4) }, "observation_std must be [3], current is [4]");
  const error = await assertRejects(() => importTeacher("/nowhere.safetensors", spec), Error);
  assert(error.message.startsWith('Cannot import teacher "/nowhere.safetensors"'));
});
