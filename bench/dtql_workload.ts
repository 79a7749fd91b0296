/**
 * What the benchmarks run: DTQL at halfcheetah size on random transitions, and its matrix products.
 *
 * @module
 */

import type { AgentState, Batch } from "../algorithms/core/agent.ts";
import { type Backend, useBackend } from "../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../algorithms/engine/array.ts";
import type { OnnxConstant, OnnxGraph, OnnxNode, OnnxValue } from "../algorithms/engine/onnx.ts";
import { createRng, type Rng } from "../algorithms/core/rng.ts";
import { createDtql, dtqlDefaults } from "../algorithms/dtql/mod.ts";

/** Halfcheetah. */
export const spec = { observationDim: 17, actionDim: 6, maxAction: 1 };

/** Random transitions. */
export function drawTransitions(rows: number, rng: Rng): Batch {
  const normal = (dim: number) => ndarray(rng.fillNormal(new Float32Array(rows * dim)), [rows, dim]);
  const action = rng.fillUniform(new Float32Array(rows * spec.actionDim)).map((u) => 2 * u - 1);
  return {
    observation: normal(spec.observationDim),
    action: ndarray(action, [rows, spec.actionDim]),
    reward: normal(1),
    nextObservation: normal(spec.observationDim),
    terminal: ndarray(new Float32Array(rows), [rows, 1]),
  };
}

/** An agent past its pretraining, on a backend. */
export async function createAgent(backend: Backend) {
  await useBackend(backend);
  const agent = createDtql({ ...dtqlDefaults, pretrainUpdates: 0 }, spec);
  let state: AgentState = agent.init(createRng("agent"));
  const rng = createRng("noise");
  return {
    async update(batch: Batch) {
      await useBackend(backend);
      const result = await agent.update(state, batch, rng.child(`${state.updates}`));
      state = result.state;
      return result.metrics;
    },
    act: (observation: NdArray) => agent.act(state, observation, 1, rng),
  };
}

/**
 * The matrix products of one DTQL update as one graph, with the operands shared as in training: `x W` forward,
 * `dy W^T` and `x^T dy` backward. Each product is reduced to one element, so that its buffer is reused as in training.
 */
export function matrixProducts(rows: number): { graph: OnnxGraph; inputs: NdArray[]; outputs: NdArray[] } {
  const { observationDim: s, actionDim: a } = spec;
  const { hidden: h, timeDim: e } = dtqlDefaults;
  const sizes = {
    q: [s + a, h, h, h, 1],
    v: [s, h, h, h, 1],
    time: [e, 2 * e, e],
    trunk: [a + s + e, h, h, h, h, a],
    actor: [s, h, h, h, 2 * a],
  };
  const nodes: OnnxNode[] = [];
  const values = new Map<string, OnnxValue>();
  const operand = (name: string, r: number, c: number) => {
    values.set(name, { name, shape: [r, c], dtype: "float32" });
    return name;
  };
  const results: string[] = [];
  const product = (left: string, right: string, transA: number, transB: number) => {
    const name = `product_${results.length}`;
    nodes.push({
      op: "Gemm",
      inputs: [left, right],
      outputs: [name],
      attributes: { transA: { int: transA }, transB: { int: transB } },
    });
    nodes.push({ op: "Slice", inputs: [name, "begin", "end", "axes"], outputs: [`${name}_first`], attributes: {} });
    results.push(`${name}_first`);
  };
  let pass = 0;
  const network = (weights: string, widths: number[], back: "none" | "input" | "weights" | "both") => {
    const p = pass++;
    const x = (i: number) => operand(`x_${p}_${i}`, rows, widths[i]);
    const dy = (i: number) => operand(`dy_${p}_${i}`, rows, widths[i + 1]);
    const w = (i: number) => operand(`w_${weights}_${i}`, widths[i], widths[i + 1]);
    const layers = widths.slice(1).map((_, i) => i);
    for (const i of layers) product(x(i), w(i), 0, 0);
    if (back === "none") return;
    for (const i of layers.reverse()) {
      if (i > 0 || back === "input" || back === "both") product(dy(i), w(i), 0, 1);
      if (back === "weights" || back === "both") product(x(i), dy(i), 1, 0);
    }
  };
  network("q1", sizes.q, "weights");
  network("q2", sizes.q, "weights");
  network("v", sizes.v, "weights");
  network("v", sizes.v, "none"); // The next state.
  network("time", sizes.time, "weights");
  network("trunk", sizes.trunk, "both");
  network("time_new", sizes.time, "none");
  network("trunk_new", sizes.trunk, "input");
  network("q1_new", sizes.q, "input");
  network("q2_new", sizes.q, "input");
  network("actor", sizes.actor, "weights");
  nodes.push({ op: "Concat", inputs: results, outputs: ["firsts"], attributes: { axis: { int: 0 } } });

  const ints = (name: string, data: number[]): OnnxConstant => ({
    name,
    shape: [data.length],
    dtype: "int64",
    data: BigInt64Array.from(data, BigInt),
  });
  const graph: OnnxGraph = {
    name: "products",
    nodes,
    inputs: [...values.values()],
    outputs: [{ name: "firsts", shape: [results.length, 1], dtype: "float32" }],
    constants: [ints("begin", [0, 0]), ints("end", [1, 1]), ints("axes", [0, 1])],
  };
  const rng = createRng("products");
  const array = (shape: readonly number[]) => ndarray(rng.fillNormal(new Float32Array(shape[0] * shape[1])), shape);
  return {
    graph,
    inputs: graph.inputs.map(({ shape }) => array(shape as number[])),
    outputs: [ndarray(new Float32Array(results.length), [results.length, 1])],
  };
}
