/**
 * A thread with a session: says what it computes, again and again if it is told to.
 *
 * @module
 */

import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import type { OnnxGraph } from "../../algorithms/engine/onnx.ts";
import { createSession, type Route, useRoute } from "../../algorithms/engine/runtime.ts";
import { flushesDenormals } from "../../algorithms/engine/system_library.ts";

/** What a thread is to do: one product of denormal result, or a layer until the end. */
export type Order = { route: Route; work: "denormal" | "forever" };

/** What it found. */
export interface Found {
  /** Of the session. */
  product: number;
  /** Whether JavaScript's numbers are flushed. */
  flushes: boolean;
}

const size = 256;
const value = (name: string) => ({ name, shape: [size, size], dtype: "float32" as const });
const graph = (op: string): OnnxGraph => ({
  name: "layer",
  nodes: [
    { op, inputs: ["a", "b"], outputs: ["h"], attributes: {} },
    { op: "Relu", inputs: ["h"], outputs: ["c"], attributes: {} },
  ],
  inputs: [value("a"), value("b")],
  outputs: [value("c")],
  constants: [],
});
const array = (f: (i: number) => number): NdArray =>
  ndarray(Float32Array.from({ length: size * size }, (_, i) => f(i)), [size, size]);

/** 1e-20 times itself, by a session and by JavaScript. */
export async function multiplyTiny(): Promise<Found> {
  const [a, b, c] = [array(() => 1e-20), array(() => 1e-20), array(() => 1)];
  await (await createSession(graph("Mul"))).run([a, b], [c]);
  return { product: c.data[0], flushes: flushesDenormals() };
}

/** A layer's results, each time the same. */
export async function* layers(): AsyncGenerator<number> {
  const session = await createSession(graph("Gemm"));
  const [a, b, c] = [array(Math.sin), array(Math.cos), array(() => 0)];
  while (true) {
    await session.run([a, b], [c]);
    yield (c.data as Float32Array).reduce((x, y) => x + y);
  }
}

if ("DedicatedWorkerGlobalScope" in globalThis) {
  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<Order>) => void;
    postMessage(data: unknown): void;
  };
  scope.onmessage = async ({ data: { route, work } }) => {
    await useRoute(route);
    if (work === "denormal") return scope.postMessage(await multiplyTiny());
    for await (const sum of layers()) scope.postMessage(sum);
  };
  scope.postMessage("up"); // Before this, messages to it are lost.
}
