import { assertEquals, assertRejects } from "@std/assert";
import type { AnyAlgorithm } from "../../algorithms/core/agent.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { dtql } from "../../algorithms/dtql/mod.ts";
import { currentThreads, useThreads } from "../../algorithms/engine/backend.ts";
import { createPlayers, type PlayJob, type PlayProgress } from "../../environments/play.ts";

const config = { ...dtql.defaults, hidden: 16, diffusionHidden: 16 };
const spec = { observationDim: 11, actionDim: 3, maxAction: 1 };

async function play(job: PlayJob, workers: number, onProgress?: PlayProgress) {
  using players = createPlayers(workers);
  return await players.play(job, dtql as unknown as AnyAlgorithm, onProgress);
}

const jobOf = (seed: string): PlayJob => ({
  module: dtql.module,
  name: "dtql",
  config,
  spec,
  backend: "onnx",
  state: dtql.create(config, spec).init(createRng(seed)),
  task: "hopper-medium-v2",
  physics: "d4rl",
  episodes: 12,
  candidates: 4,
  seed,
});

Deno.test("play() gives the same episodes with any number of workers, from the same starts for any seed", async () => {
  const job = jobOf("one");
  const alone = await play(job, 1);
  assertEquals(alone.length, 12);
  assertEquals(await play(job, 2), alone);
  const other = await play(jobOf("two"), 1);
  assertEquals(other.map(({ seed }) => seed), alone.map(({ seed }) => seed));
});

Deno.test("play() acts on one thread, whatever training uses", async () => {
  useThreads(2);
  try {
    const seen = new Set<number>();
    await play(jobOf("one"), 1, () => seen.add(currentThreads()));
    assertEquals([...seen, currentThreads()], [1, 2]);
  } finally {
    useThreads(1);
  }
});

Deno.test("play() passes on what goes wrong in a worker", async () => {
  await assertRejects(
    () => play({ ...jobOf("one"), task: "kitchen-mixed-v0" }, 2),
    Error,
    "model files",
  );
});
