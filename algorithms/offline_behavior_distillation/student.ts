/**
 * The policies that a distilled set trains, as an agent: behaviour cloning by stochastic gradient descent, acting by their mean.
 *
 * Source: OBD (arXiv 2410.22728), authors' code. An agent may hold several policies, whose actions are averaged (the paper's ensembles).
 *
 * @module
 */

import { type Agent, type Algorithm, assertRange, drawNormals, finishUpdate, type Spec } from "../core/agent.ts";
import { asConstants, compile, exportOnnx, type NdArray, ndarray } from "../core/compile.ts";
import { meanSquaredError } from "../core/td.ts";
import { type Tensor, tf, valueAndGrad } from "../core/tensor.ts";
import { zipTree } from "../core/tree.ts";
import { type DistillationConfig, distillationDefaults } from "./distill.ts";
import { initPolicy, meanAction, sampleAction, type TanhGaussianPolicy } from "./policy.ts";

/** What a student agent consists of. */
export interface StudentArrays<L = NdArray> {
  policies: TanhGaussianPolicy<L>[];
}

/** Settings of the study: distillation, its teacher, its density model, and how many policies are trained on the result. */
export interface BehaviorDistillationConfig extends DistillationConfig {
  /** Teacher: IQL of this many updates and this width. */
  teacherUpdates: number;
  teacherHidden: number;
  teacherLearningRate: number;
  /** Passes of the density model over the states; used if `densityExponent` is above 0. */
  densityEpochs: number;
  /** Fresh policies that are scored, one by one and as an ensemble. */
  students: number;
}

const defaults: BehaviorDistillationConfig = {
  ...distillationDefaults,
  teacherUpdates: 1_000_000,
  teacherHidden: 256,
  teacherLearningRate: 3e-4,
  densityEpochs: 50,
  students: 10,
};

/** Creates the agent; observations are normalized by `spec.observationStatistics`. */
export function createStudent(config: DistillationConfig, spec: Spec): Agent {
  const { observationDim, actionDim, observationStatistics: statistics } = spec;
  const { innerLearningRate: rate } = config;
  assertRange("OBD", "innerLearningRate", rate, rate > 0, "positive");
  if (!statistics) {
    throw new TypeError(
      "Cannot create OBD: it normalizes observations, so spec.observationStatistics must be given; see observationStatistics()",
    );
  }
  const row = (x: Float32Array) => tf.tensor2d(x, [1, observationDim]);
  const normalize = (s: Tensor) => tf.div(tf.sub(s, row(statistics.mean)), row(statistics.deviation));
  const ensemble = (policies: TanhGaussianPolicy[], s: Tensor) => {
    const actions = policies.map((p) => meanAction(p, normalize(s)));
    return tf.div(actions.reduce((a, b) => tf.add(a, b)), actions.length);
  };
  const train = compile<{ state: StudentArrays; observation: NdArray; action: NdArray; noise: NdArray }>(
    "obd/student",
    ({ state, observation, action, noise }) => {
      const trained = state.policies.map((p) =>
        valueAndGrad((q) => meanSquaredError(sampleAction(q, normalize(observation), noise), action), p)
      );
      const policies = trained.map(({ grad }, i) =>
        zipTree<Tensor, TanhGaussianPolicy>(state.policies[i], grad, (p, g) => tf.sub(p, tf.mul(g, rate)))
      );
      return { state: { policies }, metrics: { policyLoss: trained[0].value } };
    },
  );
  const act = compile<{ state_: StudentArrays; observation: NdArray }, { action: Tensor }>(
    "obd/ensemble",
    ({ state_, observation }) => ({ action: ensemble(state_.policies, observation) }),
  );
  return {
    init: (rng) => {
      const arrays: StudentArrays = { policies: [initPolicy(observationDim, actionDim, config, rng.child("policy"))] };
      return { updates: 0, arrays };
    },
    async update(state, { observation, action }, rng) {
      const noise = config.noise === "none"
        ? ndarray(new Float32Array(action.data.length), action.shape)
        : drawNormals(action.shape[0], actionDim, rng.child("noise"));
      return finishUpdate(state, await train({ state: state.arrays as StudentArrays, observation, action, noise }));
    },
    act: async (state, observation) => (await act({ state_: state.arrays as StudentArrays, observation })).action,
    exportPolicy(state) {
      const { policies } = state.arrays as StudentArrays;
      return exportOnnx("obd/policy", { observation: [1, observationDim] }, ({ observation }) => ({
        action: ensemble(asConstants(policies), observation),
      }));
    },
  };
}

const variant = (
  name: string,
  title: string,
  config: Partial<BehaviorDistillationConfig>,
  source = "Lei, Zhang & Tao 2024, arXiv 2410.22728",
): Algorithm<BehaviorDistillationConfig> => ({
  name,
  title,
  source,
  defaults: { ...defaults, ...config },
  presets: {},
  create: createStudent,
});

/** OBD with the data's actions as targets. */
export const dbc: Algorithm<BehaviorDistillationConfig> = variant("dbc", "DBC", { objective: "dbc" });
/** OBD with a teacher's actions as targets. */
export const pbc: Algorithm<BehaviorDistillationConfig> = variant("pbc", "PBC", { objective: "pbc" });
/** OBD with a teacher's actions, weighted by their value. */
export const avPbc: Algorithm<BehaviorDistillationConfig> = variant("av_pbc", "Av-PBC", { objective: "av-pbc" });
/** Av-PBC weighted by the reciprocal state density; the exponent is ours. */
export const sdwObd: Algorithm<BehaviorDistillationConfig> = variant(
  "sdw_obd",
  "SDW-OBD",
  { objective: "av-pbc", densityExponent: 0.05 },
  "Lei, Cheng & Tao 2025, arXiv 2512.06692; its exponent is ours",
);
