/**
 * The same training steps and action here, in PyTorch (eager, and compiled with a fused Adam) and in JAX, one thread each, in turns.
 *
 * A network 23-256-256-1 with ReLU, batch 256: forward, backward and Adam; one action of 17-256-256-6 with tanh at batch 1, ours by
 * `createActor()`'s loops; the whole updates of DTQL, FQL and SSCP at HalfCheetah's size and with the authors' networks and batches,
 * their noise included, in PyTorch and JAX written by us after the same equations. What compiles does so before it is timed.
 *
 * @module
 */

import { createMlpActor } from "../algorithms/core/mlp_actor.ts";
import { resolveConfig } from "../algorithms/core/config.ts";
import type { AgentState, AnyAlgorithm } from "../algorithms/core/agent.ts";
import { initMlp } from "../algorithms/core/nn.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { useBackend } from "../algorithms/engine/backend.ts";
import { fql } from "../algorithms/fql.ts";
import { sscp } from "../algorithms/sscp.ts";
import { fromFileUrl } from "../tools/paths.ts";
import { createAgent, drawTransitions, spec } from "./dtql_workload.ts";
import type { Measurement } from "./record.ts";
import { createStep } from "./small_step.ts";

/** What is timed: its name in tables, and its calls in a round before the timed ones and timed. */
const kinds = {
  step: { group: "peers: training step, 23-256-256-1, batch 256", calls: [30, 200] },
  action: { group: "peers: one action, 17-256-256-6", calls: [200, 2000] },
  dtql: { group: "peers: DTQL update, batch 256", calls: [10, 50] },
  fql: { group: "peers: FQL update, batch 256", calls: [5, 20] },
  sscp: { group: "peers: SSCP update, batch 1024", calls: [3, 8] },
} as const;

type Kind = keyof typeof kinds;
const kindNames = Object.keys(kinds) as Kind[];

/** Who is compared with us: a script of Python's and how it is called. */
const peers = {
  "torch": ["torch", "eager"],
  "torch.compile, fused Adam": ["torch", "compiled"],
  "jax": ["jax"],
} as const;

/** Milliseconds of every call of a round. */
type Times = Record<Kind, number[]>;

const rounds = 5;

async function createUpdate(algorithm: AnyAlgorithm): Promise<() => Promise<unknown>> {
  await useBackend("onnx");
  const config = resolveConfig(algorithm, "none");
  const agent = algorithm.create(config, spec);
  const batch = drawTransitions(config.batchSize, createRng("batch"));
  let state: AgentState = agent.init(createRng("agent"));
  return async () => ({ state } = await agent.update(state, batch, createRng(`noise/${state.updates}`)));
}

const creators: Record<Exclude<Kind, "action">, () => Promise<() => Promise<unknown>>> = {
  step: () => Promise.resolve(createStep()),
  async dtql() {
    const [agent, batch] = [await createAgent("onnx"), drawTransitions(256, createRng("batch"))];
    return () => agent.update(batch);
  },
  fql: () => createUpdate(fql as unknown as AnyAlgorithm),
  sscp: () => createUpdate(sscp as unknown as AnyAlgorithm),
};

async function ownRound(): Promise<Times> {
  await useBackend("onnx");
  const times: Times = { step: [], action: [], dtql: [], fql: [], sscp: [] };
  for (
    const [kind, create] of Object.entries(creators) as [
      Exclude<Kind, "action">,
      () => Promise<() => Promise<unknown>>,
    ][]
  ) {
    const update = await create();
    const [before, timed] = kinds[kind].calls;
    for (let k = 0; k < before + timed; k++) {
      const start = performance.now();
      await update();
      if (k >= before) times[kind].push(performance.now() - start);
    }
  }
  const act = createMlpActor(initMlp([17, 256, 256, 6], createRng("policy")), 1);
  const observation = createRng("observation").fillNormal(new Float32Array(17));
  const each = 100; // The clock ticks in microseconds.
  const [before, timed] = kinds.action.calls;
  for (let k = 0; k < (before + timed) / each; k++) {
    const start = performance.now();
    for (let i = 0; i < each; i++) act(observation);
    if (k >= before / each) times.action.push((performance.now() - start) / each);
  }
  return times;
}

/** Why Python's half did not run, in a line. */
function reason(stderr: string): string {
  const last = stderr.trim().split("\n").at(-1) ?? "";
  const missing = last.match(/^ModuleNotFoundError: No module named '(.*)'/)?.[1];
  return missing
    ? `python3 has no ${missing}; pip install it into the environment whose python3 is first on the PATH`
    : last;
}

/** A peer's round, or why there is none. */
async function peerRound([name, ...args]: readonly string[]): Promise<Times | string> {
  const script = fromFileUrl(new URL(`peers/${name}_peer.py`, import.meta.url));
  const env = {
    OMP_NUM_THREADS: "1",
    MKL_NUM_THREADS: "1",
    XLA_FLAGS: "--xla_cpu_multi_thread_eigen=false",
    JAX_PLATFORMS: "cpu",
    PYTHONDONTWRITEBYTECODE: "1",
  };
  const calls = Object.fromEntries(kindNames.map((kind) => [kind, kinds[kind].calls]));
  try {
    const { success, stdout, stderr } = await new Deno.Command("python3", {
      args: [script, ...args, JSON.stringify(calls)],
      env,
      stdout: "piped",
      stderr: "piped",
    }).output();
    const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return success ? JSON.parse(out.trim().split("\n").at(-1)!) : reason(error);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no python3 on the PATH";
    throw error;
  }
}

/** Measures all that are there, in turns, and says of each that is missing why. */
export async function measurePeers(): Promise<Measurement[]> {
  const all = new Map<string, Times>([["onestep", await ownRound()]]);
  const missing = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    if (round > 0) add(all, "onestep", await ownRound());
    for (const [name, peer] of Object.entries(peers)) {
      if (missing.has(name)) continue;
      const times = await peerRound(peer);
      if (typeof times !== "string") add(all, name, times);
      else {
        missing.add(name);
        console.error(`${name} is left out: ${times}`);
      }
    }
  }
  return kindNames.flatMap((kind) =>
    [...all].map(([name, times]) => {
      const sorted = times[kind].toSorted((a, b) => a - b);
      return {
        group: kinds[kind].group,
        name,
        mean: sorted.reduce((a, b) => a + b, 0) / sorted.length,
        p75: sorted[Math.floor(0.75 * sorted.length)],
        n: sorted.length,
      };
    })
  );
}

function add(all: Map<string, Times>, name: string, times: Times) {
  const known = all.get(name);
  for (const kind of kindNames) known?.[kind].push(...times[kind]);
  if (!known) all.set(name, times);
}
