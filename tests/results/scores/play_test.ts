import { assertEquals, assertRejects } from "@std/assert";
import { currentThreads, useThreads } from "../../../algorithms/engine/backend.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { dtql } from "../../../algorithms/dtql/mod.ts";
import { evaluateAgent, type EvaluationJob } from "../../../results/scores/play.ts";

const config = { ...dtql.defaults, hidden: 16, diffusionHidden: 16 };
const spec = { observationDim: 11, actionDim: 3, maxAction: 1 };

const jobOf = (seed: string): EvaluationJob => ({
  algorithm: "dtql",
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

Deno.test("evaluateAgent() gives the same episodes with any number of workers, from the same starts for any seed", async () => {
  const job = jobOf("one");
  const alone = await evaluateAgent(job, () => {}, 1);
  assertEquals(alone.length, 12);
  assertEquals(await evaluateAgent(job, () => {}, 2), alone);
  const other = await evaluateAgent(jobOf("two"), () => {}, 1);
  assertEquals(other.map(({ seed }) => seed), alone.map(({ seed }) => seed));
});

Deno.test("evaluateAgent() acts on one thread, whatever training uses", async () => {
  useThreads(2);
  try {
    const seen = new Set<number>();
    await evaluateAgent(jobOf("one"), () => seen.add(currentThreads()), 1);
    assertEquals([...seen, currentThreads()], [1, 2]);
  } finally {
    useThreads(1);
  }
});

Deno.test("evaluateAgent() passes on what goes wrong in a worker", async () => {
  await assertRejects(
    () => evaluateAgent({ ...jobOf("one"), task: "kitchen-mixed-v0" }, () => {}, 2),
    Error,
    "model files",
  );
});
