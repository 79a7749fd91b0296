/**
 * The same training steps and action here, in PyTorch (eager, and compiled with a fused Adam) and in JAX, one thread each, in turns.
 *
 * A network 23-256-256-1 with ReLU, batch 256: forward, backward and Adam; one action of 17-256-256-6 with tanh at batch 1, ours by
 * `createActor()`'s loops; the whole updates of DTQL, FQL and SSCP at HalfCheetah's size and with the authors' networks and batches,
 * their noise included, in PyTorch and JAX written by us after the same equations; all must train as many numbers as ours. What compiles
 * does so before it is timed.
 *
 * @module
 */

import { createMlpActor } from "../algorithms/core/mlp_actor.ts";
import { initMlp } from "../algorithms/core/nn.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { useBackend } from "../algorithms/engine/backend.ts";
import { dtql } from "../algorithms/dtql/mod.ts";
import { fql } from "../algorithms/fql.ts";
import { sscp } from "../algorithms/sscp.ts";
import { fromFileUrl } from "../tools/paths.ts";
import { createUpdates } from "./algorithm_workload.ts";
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

/** A round: milliseconds of every call, and how many numbers each kind trains. */
interface Round {
  times: Record<Kind, number[]>;
  parameters: Partial<Record<Kind, number>>;
}

const rounds = 5;

const updates = {
  dtql: () => createUpdates(dtql, "onnx", { pretrainUpdates: 0 }),
  fql: () => createUpdates(fql, "onnx"),
  sscp: () => createUpdates(sscp, "onnx"),
};

async function ownRound(): Promise<Round> {
  await useBackend("onnx");
  const round: Round = { times: { step: [], action: [], dtql: [], fql: [], sscp: [] }, parameters: {} };
  /** Times calls, each of so many of what is measured. */
  const time = async (kind: Kind, call: () => unknown, each = 1) => {
    const [before, timed] = kinds[kind].calls;
    for (let k = 0; k < (before + timed) / each; k++) {
      const start = performance.now();
      await call();
      if (k >= before / each) round.times[kind].push((performance.now() - start) / each);
    }
  };
  await time("step", createStep());
  for (const kind of ["dtql", "fql", "sscp"] as const) {
    const { update, parameters } = await updates[kind]();
    round.parameters[kind] = parameters;
    await time(kind, update);
  }
  const act = createMlpActor(initMlp([17, 256, 256, 6], createRng("policy")), 1);
  const observation = createRng("observation").fillNormal(new Float32Array(17));
  const each = 100; // The clock ticks in microseconds.
  await time("action", () => {
    for (let i = 0; i < each; i++) act(observation);
  }, each);
  return round;
}

/** Why Python's half did not run, in a line. */
export function reason(stderr: string): string {
  const missing = stderr.match(/^ModuleNotFoundError: No module named '(.*)'/m)?.[1];
  if (missing) {
    return `python3 has no ${missing}; pip install it into the environment whose python3 is first on the PATH`;
  }
  if (stderr.includes("InvalidCxxCompiler")) return "torch.compile finds no C++ compiler; install g++";
  const lines = stderr.trim().split("\n");
  return lines.findLast((line) => /^[\w.]+(Error|Exception): /.test(line)) ?? lines.at(-1)!;
}

/** A peer's round, or why there is none. */
async function peerRound([name, ...args]: readonly string[]): Promise<Round | string> {
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

/** Throws if a peer trains more numbers than we, or fewer. */
function assertSameWork(name: string, { parameters }: Round, own: Round) {
  for (const [kind, wanted] of Object.entries(own.parameters) as [Kind, number][]) {
    const found = parameters[kind];
    if (found === wanted) continue;
    throw new Error(
      `Cannot compare ${kinds[kind].group}: ${name} must train ${wanted} parameters, current is ${found}`,
    );
  }
}

/** Measures all that are there, in turns, and says of each that is missing why. */
export async function measurePeers(): Promise<Measurement[]> {
  const own = await ownRound();
  const all = new Map([["onestep", own.times]]);
  const missing = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    if (round > 0) add(all, "onestep", await ownRound());
    for (const [name, peer] of Object.entries(peers)) {
      if (missing.has(name)) continue;
      console.error(`round ${round + 1} of ${rounds}: ${name}`);
      const found = await peerRound(peer);
      if (typeof found !== "string") {
        assertSameWork(name, found, own);
        add(all, name, found);
      } else {
        missing.add(name);
        console.error(`${name} is left out: ${found}`);
      }
    }
  }
  const counts = Object.entries(own.parameters).map(([kind, count]) => `${kind} ${count.toLocaleString("en")}`);
  console.log(`\nParameters trained, the same for ${[...all.keys()].join("; ")}: ${counts.join(", ")}`);
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

function add(all: Map<string, Round["times"]>, name: string, { times }: Round) {
  const known = all.get(name);
  for (const kind of kindNames) known?.[kind].push(...times[kind]);
  if (!known) all.set(name, times);
}
