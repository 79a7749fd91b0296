import { assertAlmostEquals } from "@std/assert";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { conv1d, downsample, groupNorm, upsample } from "../../algorithms/core/conv.ts";
import { initLinear } from "../../algorithms/core/nn.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { type Tensor, tf, valueAndGrad } from "../../algorithms/engine/tensor.ts";
import { treeEntries } from "../../algorithms/engine/tree.ts";

const rng = createRng("conv");
const [batch, horizon, inputs, outputs] = [2, 6, 4, 8];
const x = ndarray(rng.child("x").fillNormal(new Float32Array(batch * horizon * inputs)), [batch, horizon, inputs]);
const at = (b: number, t: number, c: number) => t < 0 || t >= horizon ? 0 : x.data[(b * horizon + t) * inputs + c];
const near = (got: ArrayLike<number>, wanted: readonly number[]) =>
  wanted.forEach((w, i) => assertAlmostEquals(got[i], w, 2e-5 * Math.max(1, Math.abs(w))));

type Case = { taps: number; apply: (p: { weight: Tensor; bias: Tensor }, x: Tensor) => Tensor; rows: number };
const cases: Record<string, Case & { source: (t: number, tap: number) => number | null }> = {
  conv1d: { taps: 5, apply: conv1d, rows: horizon, source: (t, tap) => t + tap - 2 },
  downsample: { taps: 3, apply: downsample, rows: horizon / 2, source: (t, tap) => 2 * t + tap - 1 },
  upsample: { // Output 2i + tap - 1 gets input i.
    taps: 4,
    apply: upsample,
    rows: 2 * horizon,
    source(t, slot) {
      const tap = [3, 1, 2, 0][slot];
      return (t + 1 - tap) % 2 === 0 ? (t + 1 - tap) / 2 : null;
    },
  },
};

for (const [name, { taps, apply, rows, source }] of Object.entries(cases)) {
  Deno.test(`${name}() is the sum over taps, written out`, async () => {
    const p = initLinear(taps * inputs, outputs, rng.child(name));
    const wanted: number[] = [];
    for (let b = 0; b < batch; b++) {
      for (let t = 0; t < rows; t++) {
        for (let o = 0; o < outputs; o++) {
          let sum = p.bias.data[o];
          for (let tap = 0; tap < taps; tap++) {
            const from = source(t, tap);
            for (let c = 0; from !== null && c < inputs; c++) {
              sum += p.weight.data[(tap * inputs + c) * outputs + o] * at(b, from, c);
            }
          }
          wanted.push(sum);
        }
      }
    }
    for (const backend of ["onnx", "cpu"] as const) {
      await useBackend(backend);
      const run = compile<{ p: typeof p; x: NdArray }, { y: Tensor }>(name, ({ p, x }) => ({ y: apply(p, x) }));
      const { y } = await run({ p, x });
      near(y.data, wanted);
    }
  });
}

/** GroupNorm as its definition says, from plain operations. */
function plainGroupNorm({ scale, shift }: { scale: Tensor; shift: Tensor }, x: Tensor, groups: number): Tensor {
  const [batch, horizon, channels] = x.shape;
  const apart = tf.reshape(x, [batch, horizon, groups, channels / groups]);
  const { mean, variance } = tf.moments(apart, [1, 3], true);
  const y = tf.reshape(tf.div(tf.sub(apart, mean), tf.sqrt(tf.add(variance, 1e-5))), [batch, horizon, channels]);
  return tf.add(tf.mul(y, tf.reshape(scale, [1, 1, channels])), tf.reshape(shift, [1, 1, channels]));
}

Deno.test("groupNorm() and its gradient are those of its definition, compiled and not", async () => {
  const normal = (n: number, name: string) => rng.child(name).fillNormal(new Float32Array(n));
  const p = { scale: ndarray(normal(inputs, "scale"), [inputs]), shift: ndarray(normal(inputs, "shift"), [inputs]), x };
  const weight = ndarray(normal(x.data.length, "weight"), x.shape);
  const task = (norm: typeof groupNorm) =>
    compile<{ p: typeof p; weight: NdArray }, { value: Tensor; grad: Record<string, Tensor> }>(
      "norm",
      ({ p, weight }) => {
        const { value, grad } = valueAndGrad((p) => tf.sum(tf.mul(norm(p, p.x, 2), weight)), p);
        return { value, grad };
      },
    );
  await useBackend("cpu");
  const wanted = treeEntries<NdArray>(await task(plainGroupNorm)({ p, weight }));
  for (const backend of ["onnx", "cpu"] as const) {
    await useBackend(backend);
    const got = treeEntries<NdArray>(await task(groupNorm)({ p, weight }));
    got.forEach(([, { data }], i) => near(data, [...wanted[i][1].data]));
  }
});
