import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as ort from "onnxruntime-node";
import type { Agent, AgentState, Spec } from "../../algorithms/core/agent.ts";
import { resolveConfig } from "../../algorithms/core/config.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { decodeCheckpoint, encodeCheckpoint, restoreTree } from "../../algorithms/engine/checkpoint.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { normalizedAgent } from "../../algorithms/core/normalized_agent.ts";
import { normalizeObservations } from "../../algorithms/core/normalization.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { mapTree, treeEntries } from "../../algorithms/engine/tree.ts";
import { hasWebGpu } from "../processes.ts";
import { algorithms, createSmall, drawTransitions, rows, smallSettings, spec, train } from "./small.ts";

const eagerBackends = ["cpu", ...(await hasWebGpu() ? ["webgpu"] : [])];

/** Asserts that an agent's exported policy acts as the agent does. */
async function assertExported(agent: Agent, state: AgentState, one: NdArray) {
  const session = await ort.InferenceSession.create(agent.exportPolicy(state));
  const feeds: Record<string, ort.Tensor> = {
    observation: new ort.Tensor("float32", one.data as Float32Array, [1, 3]),
  };
  const [, noiseInput] = session.inputMetadata;
  if (noiseInput?.isTensor) { // Absent for a deterministic policy.
    const dims = noiseInput.shape as number[];
    const draws = Array.from(
      { length: dims[0] },
      (_, i) => createRng("act").fillNormal(new Float32Array(2 * (i + 1))).slice(-2),
    );
    feeds.noise = new ort.Tensor("float32", new Float32Array(draws.flatMap((draw) => [...draw])), dims);
  }
  const { action } = await session.run(feeds);
  const { data } = await agent.act(state, one, 1, createRng("act"));
  // Weights that are constants are packed otherwise than weights that are inputs, hence the last digit.
  assertAlmost(action.data as Float32Array, data);
}

function assertAlmost(found: ArrayLike<number>, wanted: ArrayLike<number>) {
  assertEquals(found.length, wanted.length);
  for (let i = 0; i < wanted.length; i++) assertAlmostEquals(found[i], wanted[i], 2e-6);
}

/** The clean action that an agent's diffusion model expects in the middle of its chain; empty if it has none. */
async function runDenoiser(agent: Agent, state: AgentState, { data }: NdArray): Promise<ArrayLike<number>> {
  const denoiser = agent.exportDenoiser?.(state);
  if (!denoiser) return [];
  const session = await ort.InferenceSession.create(denoiser.bytes);
  const { time, alpha, sigma } = denoiser.levels(2)[1];
  const { clean } = await session.run({
    observation: new ort.Tensor("float32", data as Float32Array, [1, 3]),
    sample: new ort.Tensor("float32", [0.3, -0.2], [1, 2]),
    level: new ort.Tensor("float32", [time, alpha, sigma], [1, 3]),
  });
  return clean.data as Float32Array;
}

for (const [name, algorithm] of Object.entries(algorithms)) {
  const create = () => createSmall(name);

  for (const backend of eagerBackends) {
    Deno.test(`${name} trains alike on onnx and on eager ${backend}, pretraining included`, async () => {
      const compiled = await train(create(), 5);
      await useBackend(backend);
      const eager = await train(create(), 5).finally(() => useBackend("onnx"));
      assertEquals(Object.keys(compiled.metrics), Object.keys(eager.metrics));
      for (const [metric, value] of Object.entries(compiled.metrics)) {
        const wanted = eager.metrics[metric];
        assert(
          Math.abs(value - wanted) <= 1e-4 * Math.max(1, Math.abs(wanted)),
          `${metric}: ${value}, ${wanted} on ${backend}`,
        );
      }
      const wanted = new Map(treeEntries<NdArray>(eager.state.arrays));
      for (const [path, { data }] of treeEntries<NdArray>(compiled.state.arrays)) {
        if (path.includes("adam")) continue;
        // Adam divides by the root of small moments, which turns float32 noise into up to a part of the learning rate.
        data.forEach((x, i) => assert(Math.abs(x - wanted.get(path)!.data[i]) <= 3e-4, `${path}[${i}]`));
      }
    });
  }

  Deno.test(`${name} resumed from a checkpoint at any update ends in the same bytes`, async () => {
    const { state: whole } = await train(create(), 6);
    const wanted = encodeCheckpoint(whole.arrays, {});
    for (let stop = 1; stop < 6; stop++) { // In every phase of those that have several.
      const { state } = await train(create(), stop);
      const arrays = restoreTree(
        create().init(createRng("other")).arrays,
        decodeCheckpoint(encodeCheckpoint(state.arrays, {})),
      );
      const { state: resumed } = await train(create(), 6, { updates: stop, arrays });
      assertEquals(encodeCheckpoint(resumed.arrays, {}), wanted, `stopped after ${stop}`);
    }
  });

  Deno.test(`${name} acts within bounds, and its exported policy gives the same actions`, async () => {
    const agent = create();
    const { state } = await train(agent, 4);
    const observation = drawTransitions("act").observation;
    for (const candidates of [1, 16]) {
      const { data, shape } = await agent.act(state, observation, candidates, createRng("act"));
      assertEquals(shape, [rows, 2]);
      assert(data.every((a) => Math.abs(a) <= spec.maxAction));
    }
    await assertExported(agent, state, ndarray(observation.data.slice(0, 3), [1, 3]));
  });

  Deno.test(`${name} with normalizeObservations is itself on normalized observations, exported too`, async () => {
    const raw = resolveConfig(algorithm, "none", { ...smallSettings(name), normalizeObservations: true });
    const agent = algorithm.create(raw, spec);
    const statistics = spec.observationStatistics!;
    const normalize = ({ data, shape }: NdArray) =>
      ndarray(normalizeObservations(data as Float32Array, statistics), shape);
    const { observation, nextObservation, ...rest } = drawTransitions("0");
    const batch = { observation, nextObservation, ...rest };
    const normal = { observation: normalize(observation), nextObservation: normalize(nextObservation), ...rest };
    // Where there is no agent without, one whose statistics change nothing.
    const isRefused = algorithm.study === "distillation";
    const plain = algorithm.create({ ...raw, normalizeObservations: isRefused }, {
      ...spec,
      observationStatistics: { mean: [0, 0, 0], standardDeviation: Array(3).fill(1 - 1e-3) },
    });
    const [state, wanted] = [
      (await agent.update(agent.init(createRng("init")), batch, createRng("update"))).state,
      (await plain.update(plain.init(createRng("init")), normal, createRng("update"))).state,
    ];
    assertEquals(encodeCheckpoint(state.arrays, {}), encodeCheckpoint(wanted.arrays, {}));
    const action = await agent.act(state, observation, 1, createRng("act"));
    assertEquals(action.data, (await plain.act(wanted, normal.observation, 1, createRng("act"))).data);
    const one = ndarray(observation.data.slice(0, 3), [1, 3]);
    await assertExported(agent, state, one);
    const { data } = await agent.act(state, one, 1, createRng("act"));
    const fast = agent.createActor?.(state, createRng("act"))(one.data as Float32Array);
    fast?.forEach((a, i) => assertAlmostEquals(a, data[i], 1e-5));
    const denoise = (made: Agent, observation: NdArray) => runDenoiser(made, state, observation);
    assertAlmost(await denoise(agent, one), await denoise(plain, normalize(one)));
    const { observationStatistics: _, ...without } = spec;
    assertThrows(() => algorithm.create(raw, without), TypeError, "spec.observationStatistics must be given");
  });

  Deno.test(`${name} uses all of the actions' range, and its actor acts as act() does with one candidate`, async () => {
    const agent = create();
    const { state: { updates, arrays } } = await train(agent, 1);
    // Networks that leave the bounds if nothing holds them; 25 calls of the toy's leave float32's range at more.
    const factor = name === "srpo_toy" ? 2 : 10;
    const wild = mapTree<NdArray, unknown>(arrays, ({ data, shape }) => ndarray(data.map((x) => factor * x), shape));
    const state = { updates, arrays: wild };
    const { observation } = drawTransitions("act");
    const { data } = await agent.act(state, observation, 1, createRng("act"));
    const most = Math.max(...Array.from(data, Math.abs));
    assert(most > 1.5 && most <= 2, `${most}`);

    if (!agent.createActor) return;
    const { state: trained } = await train(agent, 4);
    const actor = agent.createActor(trained, createRng("act"));
    const stream = createRng("act");
    for (let row = 0; row < rows; row++) {
      const one = ndarray(observation.data.slice(3 * row, 3 * row + 3), [1, 3]);
      const { data } = await agent.act(trained, one, 1, stream);
      const action = actor(one.data as Float32Array);
      data.forEach((a, i) => assertAlmostEquals(action[i], a, 1e-5));
    }
  });

  Deno.test(`${name} updates a state once, however many updates are asked for at a time`, async () => {
    for (const backend of ["onnx", "cpu"]) {
      await useBackend(backend);
      try {
        const agent = create();
        const [batch, wanted] = [drawTransitions("0"), (await train(agent, 1)).state];
        const state = agent.init(createRng("init"));
        const updates = await Promise.allSettled([0, 0].map(() => agent.update(state, batch, createRng("update/0"))));
        assertEquals(updates.map(({ status }) => status), ["fulfilled", "rejected"]);
        const [{ value }, { reason }] = updates as unknown as [{ value: { state: AgentState } }, { reason: Error }];
        assert(/this state was given to an earlier call/.test(reason.message), reason.message);
        assertEquals(encodeCheckpoint(value.state.arrays, {}), encodeCheckpoint(wanted.arrays, {}));
      } finally {
        await useBackend("onnx");
      }
    }
  });

  Deno.test(`${name} refuses by name what does not fit its settings, its task or its batches`, async () => {
    const config = resolveConfig(algorithm, "none", smallSettings(name));
    assertThrows(
      () => algorithm.create({ ...config, batchsize: 3 } as typeof config, spec),
      RangeError,
      'unknown setting "batchsize"; did you mean "batchSize"?',
    );
    for (const [setting, value] of Object.entries(algorithm.defaults)) {
      const wrong = typeof value === "boolean" ? "yes" : typeof value === "number" ? NaN : undefined;
      if (wrong === undefined) continue;
      const made = () => algorithm.create({ ...config, [setting]: wrong }, spec);
      assertThrows(made, RangeError, `${setting} must be `);
    }
    for (const [setting, limit] of Object.entries(algorithm.limits!)) {
      if (!Array.isArray(limit)) continue;
      assertThrows(
        () => algorithm.create({ ...config, [setting]: `${limit[0]}x` }, spec),
        RangeError,
        `${setting} must be one of ${limit.join(", ")}, current value is "${limit[0]}x"; did you mean "${limit[0]}"?`,
      );
      assertThrows(() => resolveConfig(algorithm, "none", { [setting]: "" }), RangeError, `${setting} must be one of `);
    }
    const { maxAction: _, ...unbounded } = spec;
    assertThrows(() => algorithm.create(config, unbounded as Spec), TypeError, "spec.maxAction must be a number");
    assertThrows(
      () => algorithm.create(config, { ...spec, maxAction: 0 }),
      RangeError,
      "spec.maxAction must be positive",
    );
    assertThrows(
      () => algorithm.create(config, { ...spec, actionDim: 1.5 }),
      RangeError,
      "spec.actionDim must be a positive",
    );

    const agent = algorithm.create(config, spec);
    const state = agent.init(createRng("init"));
    const batch = drawTransitions("batch");
    const refused = (change: Partial<typeof batch>, kind: typeof TypeError | typeof RangeError, message: string) =>
      assertRejects(() => agent.update(state, { ...batch, ...change }, createRng("u")), kind, message);
    const flat = ({ data }: NdArray) => ndarray(data, [data.length]);
    await refused(
      { reward: flat(batch.reward) },
      TypeError,
      "batch.reward must have shape [8, 1], current value is [8]",
    );
    await refused(
      { terminal: flat(batch.terminal) },
      TypeError,
      "batch.terminal must have shape [8, 1], current value is [8]",
    );
    await refused(
      { action: flat(batch.action) },
      TypeError,
      "batch.action must have shape [rows, 2], current value is [16]",
    );
    const wide = ndarray(new Float32Array(rows * 4), [rows, 4]);
    await refused(
      { observation: wide },
      TypeError,
      "batch.observation must have shape [8, 3] or [1, 3], current value is [8, 4]",
    );
    await refused({ nextAction: wide }, TypeError, "batch.nextAction must have shape [8, 2], current value is [8, 4]");
    const beyond = ndarray(batch.action.data.map((a, i) => i === 7 ? -2.5 : a), [rows, 2]);
    await refused(
      { action: beyond },
      RangeError,
      "batch.action must be in [-2, 2] (spec.maxAction), current value is -2.5 in row 3",
    );
    await agent.update(state, batch, createRng("u")); // What was refused has not touched the state.
    const { state: trained } = await train(agent, 1);
    const acting = (observation: NdArray, candidates: number) =>
      agent.act(trained, observation, candidates, createRng("act"));
    await assertRejects(() => acting(flat(batch.observation), 1), TypeError, "observation must have shape [rows, 3]");
    await assertRejects(() => acting(batch.observation, 0), RangeError, "candidates must be a positive integer");
  });

  Deno.test(`${name} has a source for every preset, and presets that its own check accepts`, () => {
    for (const [task, { source }] of Object.entries(algorithm.presets)) {
      assert(source.length > 0);
      algorithm.create(resolveConfig(algorithm, task), spec);
    }
  });
}

Deno.test("what acts step by step in its own time is given normalized observations too", async () => {
  const statistics = spec.observationStatistics!;
  const config = resolveConfig(algorithms.bc, "none", { ...smallSettings("bc"), normalizeObservations: true });
  const agent = normalizedAgent("BC", config, spec, (config, spec) => ({
    ...algorithms.bc.create(config, spec),
    startActing: () => (observation) => Promise.resolve(observation),
  }));
  const { observation: { data } } = drawTransitions("0");
  const act = agent.startActing!(agent.init(createRng("init")), rows, createRng("act"));
  const wanted = normalizeObservations(data as Float32Array, statistics);
  assertEquals((await act(ndarray(data, [rows, 3]))).data, wanted);
});
