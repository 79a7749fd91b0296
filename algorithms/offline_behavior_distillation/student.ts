/**
 * The policies that a distilled set trains, as an agent: behaviour cloning by stochastic gradient descent, acting by their mean.
 *
 * Source: OBD (arXiv 2410.22728), Section 3's BC loss and authors' code; scores are in Table 1, other architectures and optimizers in
 * Table 2. An agent may hold several policies, whose actions are averaged (the ensembles of Table 3).
 *
 * Deviation: the teacher's wanted action is its mean unless `teacherActions` says otherwise; theirs is sampled at every visit, with
 * standard deviations of 0.44 to 0.65 before tanh. The teacher is IQL unless `teacherFile` gives another, theirs Cal-QL.
 *
 * @module
 */

import { type Algorithm, finishUpdate, type Spec } from "../core/agent.ts";
import { checked, type CreateAgent } from "../core/checked.ts";
import { type Limits, ranges } from "../core/config.ts";
import { drawNormals } from "../core/acting.ts";
import { type NdArray, ndarray } from "../engine/array.ts";
import { compile } from "../engine/compile.ts";
import { deterministicPolicy } from "../core/deterministic_policy.ts";
import { meanSquaredError } from "../core/td.ts";
import { type Tensor, tf, valueAndGrad } from "../engine/tensor.ts";
import { type AdamStep, adamStep, initTrained, type Trained, trainStep } from "../core/optim.ts";
import type { Rng } from "../core/rng.ts";
import { mapTree, zipTree } from "../engine/tree.ts";
import { type DistillationConfig, distillationDefaults, distillationLimits } from "./distill.ts";
import {
  type Architecture,
  architectures,
  initPolicy,
  meanAction,
  sampleAction,
  type TanhGaussianPolicy,
} from "./policy.ts";
import type { Pairs } from "./unroll.ts";

/** What a student agent consists of. */
export interface StudentArrays<L = NdArray> {
  /** Policies that act together; the mean of their actions is taken. */
  policies: TanhGaussianPolicy<L>[];
}

/** Ways to train a student: plain descent, with momentum, Adam and AdamW. */
export type StudentOptimizer = "sgd" | "sgdm" | "adam" | "adamw";

/** A student other than the one that the set was distilled for. */
export interface StudentVariant {
  /** Hidden layers. */
  depth: number;
  /** How the layers are connected. */
  architecture: Architecture;
  /** What trains it. */
  optimizer: StudentOptimizer;
}

const densityErrors = ["reported", "left out"] as const;
const teacherActions = ["mean", "sampled"] as const;
const densityWeights = ["power", "rank", "bounded"] as const;

/** Settings of the study: distillation, its teacher, its density model, and how many policies are trained on the result. */
export interface BehaviorDistillationConfig extends DistillationConfig {
  /** How the policy's layers are connected. */
  architecture: Architecture;
  /** Fresh policies of each other architecture and optimizer that are scored; 0 for none. */
  variants: number;
  /** Teacher: IQL of this many updates and this width. */
  teacherUpdates: number;
  /** Weights of another program's teacher, a safetensors file; empty for our own IQL. */
  teacherFile: string;
  /**
   * Which of the teacher's actions are wanted: the one that it would take (`mean`), or one `sampled` anew at every visit of a state
   * (authors' code).
   */
  teacherActions: "mean" | "sampled";
  /** Updates of the policy that is cloned from the whole data, for comparison. */
  cloningUpdates: number;
  /** Width of the teacher's networks. */
  teacherHidden: number;
  /** Step size of the teacher's training. */
  teacherLearningRate: number;
  /**
   * How states weigh by their density: its power `-densityExponent` (none if that is 0), by their rank ({@linkcode stateRankWeights}),
   * or `bounded` ({@linkcode boundedDensityWeights}). Ours.
   */
  densityWeights: "power" | "rank" | "bounded";
  /** Passes of the density model over the states; used if states are weighted or errors are wanted. */
  densityEpochs: number;
  /** Whether the policies' errors are reported by how rare a state is, for which the density model is trained. */
  densityErrors: "reported" | "left out";
  /** Fresh policies that are scored, one by one and as an ensemble. */
  students: number;
}

const defaults: BehaviorDistillationConfig = {
  ...distillationDefaults,
  teacherUpdates: 1_000_000,
  teacherFile: "",
  teacherActions: "mean",
  cloningUpdates: 50_000, // The paper's data sets take 25 to 125 thousand.
  teacherHidden: 256,
  teacherLearningRate: 3e-4,
  densityWeights: "power",
  densityEpochs: 50,
  densityErrors: "left out",
  students: 10,
  architecture: "plain",
  variants: 0,
};

const limits: Limits<BehaviorDistillationConfig> = {
  ...distillationLimits,
  teacherUpdates: ranges.count,
  cloningUpdates: ranges.wholeNumber,
  teacherHidden: ranges.count,
  teacherLearningRate: ranges.positive,
  densityEpochs: ranges.wholeNumber,
  densityErrors,
  densityWeights,
  teacherActions,
  students: ranges.count,
  architecture: architectures,
  variants: ranges.wholeNumber,
};

/**
 * A fresh policy of any architecture, trained on pairs by any optimizer for `innerUpdates` steps on all of them.
 *
 * Rates are `innerLearningRate`, a tenth of it with momentum 0.9, 0.001, and 0.001 with a decay of 0.01 (PyTorch's). [Ours: the authors'
 * script trains by plain descent whatever the optimizer's name.]
 */
export async function trainVariant(
  pairs: Pairs,
  { depth, architecture, optimizer }: StudentVariant,
  config: Pick<DistillationConfig, "hidden" | "innerLearningRate" | "innerUpdates"> & Pick<Spec, "maxAction">,
  rng: Rng,
): Promise<TanhGaussianPolicy<NdArray>> {
  const rate =
    { sgd: config.innerLearningRate, sgdm: config.innerLearningRate / 10, adam: 1e-3, adamw: 1e-3 }[optimizer];
  const adam = optimizer === "adam" || optimizer === "adamw";
  type State = { trained: Trained<TanhGaussianPolicy<NdArray>>; velocity: TanhGaussianPolicy<NdArray> };
  const train = compile<{ state: State; pairs: Pairs; noise: NdArray; step: AdamStep }>(
    `obd/${architecture}/${optimizer}`,
    ({ state, pairs, noise, step }) => {
      const { params } = state.trained;
      const loss = (q: TanhGaussianPolicy) =>
        meanSquaredError(sampleAction(q, pairs.observation, noise, config.maxAction, architecture), pairs.action);
      if (adam) {
        const { next } = trainStep(state.trained, loss, step, optimizer === "adamw" ? { decays: "weights" } : {});
        return { state: { trained: next, velocity: state.velocity } };
      }
      const { grad } = valueAndGrad(loss, params);
      const velocity = optimizer === "sgd"
        ? grad
        : zipTree<Tensor, TanhGaussianPolicy>(state.velocity, grad, (v, g) => tf.add(tf.mul(v, 0.9), g));
      const moved = zipTree<Tensor, TanhGaussianPolicy>(params, velocity, (p, v) => tf.sub(p, tf.mul(v, rate)));
      return { state: { trained: { ...state.trained, params: moved }, velocity } };
    },
  );
  const [[rows, s], [, a]] = [pairs.observation.shape, pairs.action.shape];
  const params = initPolicy(s, a, { hidden: config.hidden, depth }, rng.child("init"));
  const zeros = mapTree<NdArray, NdArray>(params, (x) => ndarray(new Float32Array(x.data.length), x.shape));
  let state: State = { trained: initTrained(params), velocity: zeros };
  for (let k = 0; k < config.innerUpdates; k++) {
    const noise = drawNormals(rows, a, rng.child(`noise/${k}`));
    const step = adamStep(k + 1, { learningRate: rate, weightDecay: optimizer === "adamw" ? 0.01 : 0 });
    state = (await train({ state, pairs, noise, step })).state as State;
  }
  return state.trained.params;
}

/** Creates the agent, a policy of the student's kind that is trained on minibatches. */
export const createStudent: CreateAgent<BehaviorDistillationConfig> = checked("OBD", { defaults, limits }, (
  config,
  spec,
) => {
  const { observationDim, actionDim, maxAction } = spec;
  const { innerLearningRate: rate } = config;
  if (!config.normalizeObservations) {
    throw new RangeError(
      "Cannot create OBD: normalizeObservations must be true, as pairs are of normalized observations",
    );
  }
  const ensemble = (policies: TanhGaussianPolicy[], s: Tensor) => {
    const actions = policies.map((p) => meanAction(p, s, maxAction, config.architecture));
    return tf.div(actions.reduce((a, b) => tf.add(a, b)), actions.length);
  };
  const train = compile<{ state: StudentArrays; observation: NdArray; action: NdArray; noise: NdArray }>(
    "obd/student",
    ({ state, observation, action, noise }) => {
      const trained = state.policies.map((p) =>
        valueAndGrad(
          (q) => meanSquaredError(sampleAction(q, observation, noise, maxAction, config.architecture), action),
          p,
        )
      );
      const policies = trained.map(({ grad }, i) =>
        zipTree<Tensor, TanhGaussianPolicy>(state.policies[i], grad, (p, g) => tf.sub(p, tf.mul(g, rate)))
      );
      return { state: { policies }, metrics: { policyLoss: trained[0].value } };
    },
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
    ...deterministicPolicy("obd", spec, (arrays) => (arrays as StudentArrays).policies, ensemble),
  };
});

type Presets = Algorithm<BehaviorDistillationConfig>["presets"];

/** Outer updates of the paper's nine tasks; nothing else differs between them. */
const budgets = (hopper: number, others: number, source: string): Presets =>
  Object.fromEntries(
    ["halfcheetah", "hopper", "walker2d"].flatMap((robot) =>
      ["medium-replay", "medium", "medium-expert"].map((level) => [
        `${robot}-${level}-v2`,
        { source, config: { updates: robot === "hopper" ? hopper : others } },
      ])
    ),
  );

const variant = (
  name: string,
  title: string,
  config: Partial<BehaviorDistillationConfig>,
  presets: Presets,
  source = "Lei, Zhang & Tao 2024, arXiv 2410.22728",
): Algorithm<BehaviorDistillationConfig> => ({
  name,
  module: import.meta.url,
  acts: "one pass",
  study: "distillation",
  title,
  source,
  defaults: { ...defaults, ...config },
  limits,
  presets,
  create: createStudent,
});

/** OBD with the data's actions as targets. */
export const dbc: Algorithm<BehaviorDistillationConfig> = variant(
  "dbc",
  "DBC",
  { objective: "dbc" },
  budgets(50_000, 200_000, "paper"),
);
/** OBD with a teacher's actions as targets. */
export const pbc: Algorithm<BehaviorDistillationConfig> = variant(
  "pbc",
  "PBC",
  { objective: "pbc" },
  budgets(50_000, 200_000, "paper"),
);
/** OBD with a teacher's actions, weighted by their value. */
export const avPbc: Algorithm<BehaviorDistillationConfig> = variant(
  "av_pbc",
  "Av-PBC",
  { objective: "av-pbc" },
  budgets(20_000, 50_000, "paper"),
);
/** Av-PBC weighted by the reciprocal state density; the exponent is ours. */
export const sdwObd: Algorithm<BehaviorDistillationConfig> = variant(
  "sdw_obd",
  "SDW-OBD",
  { objective: "av-pbc", densityExponent: 0.05 },
  budgets(20_000, 50_000, "Ours: as Av-PBC"),
  "Lei, Cheng & Tao 2025, arXiv 2512.06692; its exponent is ours",
);
