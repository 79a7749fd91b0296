import { assertEquals, assertRejects } from "@std/assert";
import { currentThreads, useThreads } from "../../algorithms/engine/backend.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { dtql } from "../../algorithms/dtql/mod.ts";
import { playedBy, type PlayJob, playJob } from "../../environments/play.ts";

const config = { ...dtql.defaults, hidden: 16, diffusionHidden: 16 };
const spec = { observationDim: 11, actionDim: 3, maxAction: 1 };

const jobOf = (seed: string): PlayJob => ({
  ...playedBy(dtql),
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

Deno.test("playJob() gives the same episodes with any number of workers, from the same starts for any seed", async () => {
  const job = jobOf("one");
  const alone = await playJob(job, dtql, () => {}, 1);
  assertEquals(alone.length, 12);
  assertEquals(await playJob(job, dtql, () => {}, 2), alone);
  const other = await playJob(jobOf("two"), dtql, () => {}, 1);
  assertEquals(other.map(({ seed }) => seed), alone.map(({ seed }) => seed));
});

Deno.test("playJob() acts on one thread, whatever training uses", async () => {
  useThreads(2);
  try {
    const seen = new Set<number>();
    await playJob(jobOf("one"), dtql, () => seen.add(currentThreads()), 1);
    assertEquals([...seen, currentThreads()], [1, 2]);
  } finally {
    useThreads(1);
  }
});

Deno.test("playJob() passes on what goes wrong in a worker", async () => {
  await assertRejects(
    () => playJob({ ...jobOf("one"), task: "kitchen-mixed-v0" }, dtql, () => {}, 2),
    Error,
    "model files",
  );
});
