import { assert, assertAlmostEquals } from "@std/assert";
import { bfq } from "../../algorithms/bfq.ts";
import { consistencyAc, cpql } from "../../algorithms/consistency_ac.ts";
import type { Agent } from "../../algorithms/core/agent.ts";
import { type Activation, arrangeInputs, createMlp, createNoiseActor } from "../../algorithms/core/mlp_actor.ts";
import { gelu, initMlp, type Linear, mish, mlp, relu } from "../../algorithms/core/nn.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { useBackend } from "../../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { compile } from "../../algorithms/engine/compile.ts";
import { fql } from "../../algorithms/fql.ts";
import { sscp } from "../../algorithms/sscp.ts";

const curves = { relu, gelu, mish };

for (const [activation, curve] of Object.entries(curves)) {
  Deno.test(`createMlp() with ${activation} between its layers computes what mlp() does`, async () => {
    await useBackend("onnx");
    const p = initMlp([7, 64, 33, 40, 5], createRng(activation));
    const forward = createMlp(p, activation as Activation);
    const x = createRng("x").fillNormal(new Float32Array(50 * 7)).map((v) => 4 * v);
    const run = compile<{ p: Linear<NdArray>[]; x: NdArray }>("mlp", ({ p, x }) => ({ y: mlp(p, x, curve) }));
    const { y } = await run({ p, x: ndarray(x, [50, 7]) });
    for (let i = 0; i < 50; i++) {
      forward(x.subarray(7 * i, 7 * i + 7)).forEach((v, d) => assertAlmostEquals(v, y.data[5 * i + d], 1e-5));
    }
  });
}

Deno.test("createMlp()'s activations are exact to float32's last digits between -25 and 25", () => {
  const one = { weight: ndarray([1], [1, 1]), bias: ndarray([0], [1]) };
  const exact = {
    gelu: (x: number) => x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))) / 2,
    mish: (x: number) => x * Math.tanh(Math.log1p(Math.exp(x))),
  };
  for (const activation of ["gelu", "mish"] as const) {
    const curve = createMlp([one, one], activation);
    for (let i = -2500; i <= 2500; i++) {
      const x = Math.fround(i / 100 + 0.0037);
      const wanted = exact[activation](x);
      assertAlmostEquals(curve([x])[0], wanted, 1e-7 + 1e-7 * Math.abs(wanted), `${activation} of ${x}`);
    }
  }
  assert(Number.isNaN(createMlp([one, one], "gelu")([NaN])[0]));
});

Deno.test("createMlp()'s activations are finite and exact far from zero", () => {
  const one = (weight: number) => ({ weight: ndarray([weight], [1, 1]), bias: ndarray([0], [1]) });
  for (const activation of ["gelu", "mish"] as const) {
    const curve = createMlp([one(1), one(1)], activation);
    for (const x of [-1e30, -500, 500, 1e30]) {
      const y = curve([x])[0];
      assert(y === (x > 0 ? Math.fround(x) : 0), `${activation} of ${x} is ${y}`);
    }
  }
});

Deno.test("arrangeInputs() keeps, scales and fixes inputs, and createNoiseActor() adds the noise", () => {
  const [first, last] = initMlp([6, 8, 2], createRng("layers"));
  // Inputs of the network: two of noise times 3, one fixed, three of the observation.
  const arranged = arrangeInputs(first, [{ from: 3, count: 3 }, { from: 0, count: 2, factor: 3 }, {
    from: 2,
    values: [0.7],
  }]);
  const whole = createMlp([first, last]);
  const noise = createRng("noise").fillNormal(new Float32Array(2));
  const observation = [0.1, -0.2, 0.3];
  const wanted = whole([3 * noise[0], 3 * noise[1], 0.7, ...observation]);
  const policy = { layers: [arranged, last], activation: "relu", skip: 0.5, out: -2 } as const;
  const action = createNoiseActor(policy, 1.5, createRng("noise"))(observation);
  action.forEach((a, d) => {
    const free = 0.5 * noise[d] - 2 * wanted[d];
    assertAlmostEquals(a, 1.5 * Math.min(Math.max(free, -1), 1), 1e-6);
  });
});

Deno.test("the actors of FQL, SSCP, CPQL and BFQ act as their agents do, noise for noise", async () => {
  await useBackend("onnx");
  const spec = { observationDim: 17, actionDim: 6, maxAction: 2 };
  const oneCall = { ...consistencyAc.defaults, nfe: 1 };
  const agents: Agent[] = [
    fql.create(fql.defaults, spec),
    sscp.create(sscp.defaults, spec),
    cpql.create(cpql.defaults, spec),
    consistencyAc.create(oneCall, spec),
    bfq.create({ ...bfq.defaults, timeScale: 3 }, spec),
  ];
  for (const agent of agents) {
    const state = agent.init(createRng("init"));
    const act = agent.createActor!(state, createRng("noise"));
    const rng = createRng("noise");
    for (let i = 0; i < 20; i++) {
      const observation = createRng(`${i}`).fillNormal(new Float32Array(17));
      const { data } = await agent.act(state, ndarray(observation, [1, 17]), 1, rng);
      act(observation).forEach((x, d) => assertAlmostEquals(x, data[d], 1e-4)); // Consistency-AC's noise has the size 80.
    }
  }
  assert(!("createActor" in consistencyAc.create(consistencyAc.defaults, spec))); // Two calls.
});
