import { assert, assertEquals } from "@std/assert";
import type { Agent, AgentState } from "../../algorithms/core/agent.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { openPolicy, type Route, useRoute } from "../../algorithms/engine/runtime.ts";
import { treeLeaves } from "../../algorithms/engine/tree.ts";
import { createPlanner } from "../../algorithms/stitching/planner.ts";
import { plannerDefaults } from "../../algorithms/stitching/planner_model.ts";
import { algorithms, createSmall, drawTransitions, train } from "../algorithms/small.ts";

/** What `run` gives when ONNX Runtime is reached by its library and by its package for Node. */
async function byBothRoutes<T>(run: () => Promise<T>): Promise<Record<Route, T>> {
  await useBackend("onnx");
  try {
    await useRoute("package");
    const byPackage = await run();
    await useRoute("library");
    return { package: byPackage, library: await run() };
  } finally {
    await useRoute("library");
  }
}

const arraysOf = (state: AgentState) => treeLeaves<NdArray>(state.arrays).map(({ data }) => data);

for (const name of Object.keys(algorithms)) {
  Deno.test(`${name}: the same bytes by the library and by the package, in five updates, acting and as an exported policy`, async () => {
    const run = async () => {
      const agent: Agent = createSmall(name, 160); // Weights of more than 64 KiB, which are not staged.
      const { state, metrics } = await train(agent, 5);
      const { data: acted } = await agent.act(state, drawTransitions("act").observation, 4, createRng("act"));
      const file = agent.exportPolicy(state);
      const policy = await openPolicy(file);
      const feeds = Object.entries(policy.inputs).map(([input, shape]) =>
        [input, createRng(input).fillNormal(new Float32Array(shape.reduce((a, b) => a * b, 1)))] as const
      );
      const { inputs } = policy;
      return {
        metrics,
        arrays: arraysOf(state),
        acted,
        file,
        inputs,
        action: await policy.act(Object.fromEntries(feeds)),
      };
    };
    const routes = await byBothRoutes(run);
    assert(routes.library.arrays.some((data) => data.some((x) => x !== 0)));
    assertEquals(routes.library, routes.package);
  });
}

Deno.test("the planner: the same bytes by the library and by the package, in five updates and a plan", async () => {
  const sizes = { horizon: 8, context: 3, width: 16, multipliers: [1, 2], inverseHidden: 32, diffusionSteps: 10 };
  const even = Array.from({ length: 5 }, (_, i) => i - 2);
  const normalizers = { step: [even, even], action: [even] };
  const planner = createPlanner(
    { ...plannerDefaults, ...sizes, batchSize: 8 },
    { observationDim: 1, actionDim: 1, maxAction: 1, normalizers: normalizers as never },
  );
  const draw = (name: string, ...shape: number[]) =>
    ndarray(createRng(name).fillUniform(new Float32Array(shape.reduce((a, b) => a * b, 1))), shape);
  const routes = await byBothRoutes(async () => {
    let state = planner.init(createRng("init"));
    for (let k = 0; k < 5; k++) {
      const batch = { window: draw(`w${k}`, 8, 8, 2), action: draw(`a${k}`, 8, 8, 1), returns: draw(`r${k}`, 8, 1) };
      ({ state } = await planner.update(state, batch, createRng(`update/${k}`)));
    }
    const plan = await planner.startPlanning(state, 4, createRng("plan")).plan(
      Float32Array.of(0.1, 0.2, 0.3, 0.4),
      new Float32Array(4),
    );
    return { arrays: arraysOf(state), plan };
  });
  assertEquals(routes.library, routes.package);
});
