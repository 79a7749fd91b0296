/**
 * A small training step: a network 23-256-256-1 at batch 256, its squared error, Adam.
 *
 * @module
 */

import { initMlp, type Linear, mlp, relu } from "../algorithms/core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "../algorithms/core/optim.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { meanSquaredError } from "../algorithms/core/td.ts";
import { type NdArray, ndarray } from "../algorithms/engine/array.ts";
import { compile } from "../algorithms/engine/compile.ts";

type Net<L = NdArray> = Trained<Linear<L>[], L>;

/** A step, and the next one at the next call; the loss is read when it is wanted. */
export function createStep(): () => Promise<{ loss: number }> {
  const train = compile<{ state: Net; x: NdArray; y: NdArray; step: AdamStep }>("step", ({ state, x, y, step }) => {
    const { next, value } = trainStep(state, (p) => meanSquaredError(mlp(p, x, relu), y), step);
    return { state: next, loss: value };
  });
  const draw = (name: string, dim: number) =>
    ndarray(createRng(name).fillNormal(new Float32Array(256 * dim)), [256, dim]);
  const [x, y] = [draw("x", 23), draw("y", 1)];
  let state = initTrained(initMlp([23, 256, 256, 1], createRng("net")));
  let count = 0;
  return async () => {
    const result = await train({ state, x, y, step: adamStep(++count, { learningRate: 3e-4 }) });
    state = result.state as Net;
    return {
      get loss() {
        return (result.loss as NdArray).data[0];
      },
    };
  };
}
