import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { bc } from "../../algorithms/bc.ts";
import type { Agent } from "../../algorithms/core/agent.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { createMlpActor } from "../../algorithms/core/mlp_actor.ts";
import { initMlp, type Linear } from "../../algorithms/core/nn.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { createDtql, dtqlDefaults } from "../../algorithms/dtql/mod.ts";
import { iql } from "../../algorithms/iql.ts";
import { createSrpo, srpoDefaults } from "../../algorithms/srpo/mod.ts";

/** The same in float64, by loops. */
function plainly(layers: readonly Linear<NdArray>[], observation: ArrayLike<number>, maxAction: number): number[] {
  let x = Array.from(observation);
  layers.forEach(({ weight: { data, shape: [inputs, outputs] }, bias }, i) => {
    x = Array.from({ length: outputs }, (_, o) => {
      const sum = x.reduce((total, value, k) => total + value * data[k * outputs + o], bias.data[o]);
      return i < layers.length - 1 ? Math.max(0, sum) : sum;
    });
    assertEquals(inputs, layers[i].weight.shape[0]);
  });
  return x.map((value) => maxAction * Math.tanh(value));
}

for (const sizes of [[17, 256, 256, 6], [1, 1], [3, 5, 2], [11, 64, 33, 32, 3], [40, 300, 1]]) {
  Deno.test(`createMlpActor() of ${sizes.join("-")} agrees with plain loops in float64`, () => {
    const layers = initMlp(sizes, createRng("layers"));
    const act = createMlpActor(layers, 1.5);
    for (let i = 0; i < 20; i++) {
      const observation = createRng(`${i}`).fillNormal(new Float64Array(sizes[0])).map((x) => 3 * x);
      const wanted = plainly(layers, observation, 1.5);
      const action = act(observation);
      assertEquals(action.length, wanted.length);
      wanted.forEach((x, d) => assertAlmostEquals(action[d], x, 1e-5));
    }
  });
}

Deno.test("createMlpActor() agrees with itself where the engine has no fused multiply-add", async () => {
  const layers = initMlp([17, 256, 6], createRng("layers"));
  const observation = createRng("x").fillNormal(new Float32Array(17));
  const wanted = [...createMlpActor(layers, 1)(observation)];
  const { validate } = WebAssembly;
  let tried = 0;
  WebAssembly.validate = (bytes) => tried++ > 0 && validate(bytes);
  try {
    const plain = await import("../../algorithms/core/mlp_actor.ts?plain");
    const action = [...plain.createMlpActor(layers, 1)(observation)];
    assertEquals(tried, 2);
    action.forEach((x, d) => assertAlmostEquals(x, wanted[d], 1e-6));
  } finally {
    WebAssembly.validate = validate;
  }
});

Deno.test("actors of two policies do not disturb each other", () => {
  const [a, b] = ["a", "b"].map((name) => initMlp([4, 8, 2], createRng(name)));
  const [actA, actB] = [a, b].map((layers) => createMlpActor(layers, 1));
  const observation = [0.1, -0.2, 0.3, 0.4];
  const before = [...actA(observation)];
  assert(actB(observation)[0] !== before[0]);
  assertEquals([...actA(observation)], before);
});

Deno.test("the actors of SRPO, BC and IQL act as their agents do", async () => {
  await useBackend("onnx");
  const spec = { observationDim: 17, actionDim: 6, maxAction: 1 };
  const agents: Agent[] = [
    createSrpo(srpoDefaults, spec),
    bc.create(bc.defaults, spec),
    iql.create(iql.defaults, spec),
  ];
  for (const agent of agents) {
    const state = agent.init(createRng("init"));
    const act = agent.createActor!(state, createRng("unused"));
    const rows = createRng("rows").fillNormal(new Float32Array(100 * 17));
    const { data } = await agent.act(state, ndarray(rows, [100, 17]), 1, createRng(0));
    for (let i = 0; i < 100; i++) {
      act(rows.subarray(17 * i, 17 * (i + 1))).forEach((x, d) => assertAlmostEquals(x, data[6 * i + d], 1e-5));
    }
  }
});

Deno.test("DTQL's actor draws what its agent draws: the same noise gives the same action", async () => {
  await useBackend("onnx");
  const agent = createDtql(dtqlDefaults, { observationDim: 17, actionDim: 6, maxAction: 2 });
  const state = agent.init(createRng("init"));
  const act = agent.createActor!(state, createRng("noise"));
  const rows = createRng("rows").fillNormal(new Float32Array(100 * 17));
  const { data } = await agent.act(state, ndarray(rows, [100, 17]), 1, createRng("noise"));
  for (let i = 0; i < 100; i++) {
    act(rows.subarray(17 * i, 17 * (i + 1))).forEach((x, d) => assertAlmostEquals(x, data[6 * i + d], 1e-5));
  }
});

Deno.test("an actor makes no garbage in a million calls", async () => {
  const script = `
    import { createMlpActor } from "${new URL("../../algorithms/core/mlp_actor.ts", import.meta.url)}";
    const leaf = (n, shape) => ({ data: new Float32Array(n).fill(0.01), shape });
    const act = createMlpActor([{ weight: leaf(704, [11, 64]), bias: leaf(64, [64]) }, { weight: leaf(192, [64, 3]), bias: leaf(3, [3]) }], 1);
    const observation = new Float32Array(11).fill(1);
    for (let i = 0; i < 20000; i++) act(observation);
    console.log("start");
    for (let i = 0; i < 1e6; i++) act(observation);
    console.log("end");
  `;
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/calls.js`, script);
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-check", "--allow-read", "--v8-flags=--trace-gc", `${folder}/calls.js`],
      stderr: "null",
    }).output();
    assert(success);
    const text = new TextDecoder().decode(stdout);
    const between = text.slice(text.indexOf("start"), text.indexOf("end"));
    assert(text.includes("end"));
    assertEquals(between.match(/Scavenge|Mark-Compact/g), null, between); // A number per call would fill the young heap twice.
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
