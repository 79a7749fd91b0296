/**
 * The same training step, action and DTQL update here, in PyTorch and in JAX, one thread each, in turns.
 *
 * A network 23-256-256-1 with ReLU, batch 256: forward, backward and Adam; one action of 17-256-256-6 with tanh at batch 1, ours by
 * `createActor()`'s loops; DTQL's whole update at HalfCheetah's size, its noise included, in PyTorch and JAX written by us after the
 * same equations.
 *
 * @module
 */

import { useBackend } from "../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../algorithms/engine/array.ts";
import { compile } from "../algorithms/engine/compile.ts";
import { createMlpActor } from "../algorithms/core/mlp_actor.ts";
import { initMlp, type Linear, mlp, relu } from "../algorithms/core/nn.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "../algorithms/core/optim.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { meanSquaredError } from "../algorithms/core/td.ts";
import { fromFileUrl } from "../tools/paths.ts";
import { createAgent, drawTransitions } from "./dtql_workload.ts";
import type { Measurement } from "./record.ts";

const peers = ["torch", "jax"] as const;
const groups = {
  step: "peers: training step, 23-256-256-1, batch 256",
  action: "peers: one action, 17-256-256-6",
  dtql: "peers: DTQL update, batch 256",
};
const kinds = ["step", "action", "dtql"] as const;
const rounds = 5;

/** Milliseconds of every call of a round. */
type Times = Record<keyof typeof groups, number[]>;

async function ownRound(): Promise<Times> {
  await useBackend("onnx");
  const rng = createRng("peers");
  type Net<L = NdArray> = Trained<Linear<L>[], L>;
  const train = compile<{ state: { net: Net }; x: NdArray; y: NdArray; step: AdamStep }>(
    "peers/step",
    ({ state, x, y, step }) => {
      const net = trainStep(state.net, (p) => meanSquaredError(mlp(p, x, relu), y), step);
      return { state: { net: net.next }, metrics: { loss: net.value } };
    },
  );
  const normal = (n: number, dim: number) =>
    ndarray(rng.child(`${n}/${dim}`).fillNormal(new Float32Array(n * dim)), [n, dim]);
  const [x, y] = [normal(256, 23), normal(256, 1)];
  let state = { net: initTrained(initMlp([23, 256, 256, 1], rng.child("net"))) };
  const act = createMlpActor(initMlp([17, 256, 256, 6], rng.child("policy")), 1);
  const observation = rng.child("observation").fillNormal(new Float32Array(17));
  const times: Times = { step: [], action: [], dtql: [] };
  for (let k = 0; k < 230; k++) {
    const step = adamStep(k + 1, { learningRate: 3e-4 });
    const start = performance.now();
    const result = await train({ state, x, y, step });
    if (k >= 30) times.step.push(performance.now() - start);
    state = result.state as typeof state;
  }
  const each = 100; // The clock ticks in microseconds.
  for (let k = 0; k < 220; k++) {
    const start = performance.now();
    for (let i = 0; i < each; i++) act(observation);
    if (k >= 20) times.action.push((performance.now() - start) / each);
  }
  const [agent, batch] = [await createAgent("onnx"), drawTransitions(256, rng.child("batch"))];
  for (let k = 0; k < 60; k++) {
    const start = performance.now();
    await agent.update(batch);
    if (k >= 10) times.dtql.push(performance.now() - start);
  }
  return times;
}

/** Null where Python lacks the library. */
async function peerRound(peer: typeof peers[number]): Promise<Times | null> {
  const script = fromFileUrl(new URL(`peers/${peer}_peer.py`, import.meta.url));
  const env = {
    OMP_NUM_THREADS: "1",
    MKL_NUM_THREADS: "1",
    XLA_FLAGS: "--xla_cpu_multi_thread_eigen=false",
    PYTHONDONTWRITEBYTECODE: "1",
  };
  try {
    const { success, stdout } = await new Deno.Command("python3", {
      args: [script],
      env,
      stdout: "piped",
      stderr: "null",
    })
      .output();
    return success ? JSON.parse(new TextDecoder().decode(stdout)) : null;
  } catch {
    return null; // No Python.
  }
}

/** Measures all that are there, in turns. */
export async function measurePeers(): Promise<Measurement[]> {
  const all = new Map<string, Times>();
  for (let round = 0; round < rounds; round++) {
    for (const name of ["onestep", ...peers] as const) {
      const times = name === "onestep" ? await ownRound() : await peerRound(name);
      if (!times) continue;
      const known = all.get(name);
      for (const kind of kinds) known?.[kind].push(...times[kind]);
      if (!known) all.set(name, times);
    }
  }
  return kinds.flatMap((kind) =>
    [...all].map(([name, times]) => {
      const sorted = times[kind].toSorted((a, b) => a - b);
      return {
        group: groups[kind],
        name,
        mean: sorted.reduce((a, b) => a + b, 0) / sorted.length,
        p75: sorted[Math.floor(0.75 * sorted.length)],
        n: sorted.length,
      };
    })
  );
}
