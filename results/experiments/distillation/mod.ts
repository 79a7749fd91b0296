/**
 * Offline behavior distillation: the methods, how many pairs, and how strongly the density of states weighs.
 *
 * @module
 */

import {
  avPbc,
  type BehaviorDistillationConfig,
  dbc,
  pbc,
  sdwObd,
} from "../../../algorithms/offline_behavior_distillation/mod.ts";
import type { Cell } from "../../cells/cell.ts";
import {
  baseMiB,
  cheetahReplay,
  dataMiB,
  fiveSeeds,
  gym,
  hopperReplay,
  standardFrame,
  updateSeconds,
} from "../budgets.ts";
import { type Estimate, type Exhibits, type Experiment, type Plan, run } from "../experiment.ts";
import { scoredSection } from "../scored_section.ts";
import { avPbcPairs, distillationClaims, largerClaims, weightingClaim } from "./claims.ts";
import { variantPrefix } from "./evaluation.ts";
import type { DistillationResult } from "./result.ts";
import {
  curvesFigure,
  type DistillationRun,
  distillationTable,
  exponentsFigure,
  projectionFigure,
  sizesFigure,
} from "./section.ts";
import { distillationStudy } from "./study.ts";

type Settings = Partial<BehaviorDistillationConfig>;
type Frame = Omit<Plan, "runs">;

const all = [dbc, pbc, avPbc, sdwObd];

const tiny: Settings = {
  updates: 6,
  pairs: 8,
  innerUpdates: 4,
  hidden: 16,
  batchSize: 64,
  teacherUpdates: 20,
  teacherHidden: 16,
  cloningUpdates: 20,
  densityEpochs: 1,
  students: 2,
  variants: 1,
};
const smoke: Frame = {
  tasks: [hopperReplay],
  source: "smoke test: at most 8 pairs, 4 inner steps, width 16, 6 outer updates",
  seeds: [0],
  episodes: 2,
};

const small: Settings = {
  updates: 1000,
  pairs: 256,
  innerUpdates: 50,
  hidden: 64,
  batchSize: 1024,
  teacherUpdates: 20_000,
  teacherHidden: 128,
  teacherLearningRate: 1e-3,
  cloningUpdates: 4000,
  densityEpochs: 2,
  students: 10,
  variants: 2,
};
const cheetahMedium = "halfcheetah-medium-local";
/** A step moves a policy in proportion to its width, 256 for the published rate of 0.1; on the replays, more did not teach more. */
const faster: Settings = { innerLearningRate: 0.4 };
/** Data of few different states, where weighting them by their rarity should matter. */
const experts = ["hopper-expert-local", "halfcheetah-expert-local"];
const quick: Frame = {
  tasks: [hopperReplay, cheetahReplay],
  source:
    "scaled down: 50 inner steps for 100, policies of width 64 for 256, on the medium data with an inner rate of 0.4 for 0.1 (chosen on seed 0), 1000 outer updates on 1024 states for " +
    "50,000 on 2560; teacher IQL of width 128 with 20,000 updates for Cal-QL's million; BC of the whole data with 4000 for 25 to 125 thousand; " +
    "density model with 2 passes for 50",
  seeds: [0, 1, 2],
  episodes: 10,
};

const standard: Frame = {
  ...standardFrame,
  curve: undefined,
  tasks: [cheetahMedium],
  source:
    "scaled down: 50 inner steps for 100 without noise, policies of width 128 for 256, inner rate 0.4 for 0.1 (chosen on seed 0), 500 outer " +
    "updates on 1024 states for 20,000 to 200,000 on 2560; 64 pairs for 256; teacher IQL on normalized observations, of width 128 with 12,000 " +
    "updates, for Cal-QL's million; BC of the whole data with 8000 for 25 to 125 thousand; density model with 2 passes for 50; SDW-OBD's weights by " +
    "rank, which are ours",
};
const standardSettings: Settings = {
  updates: 500,
  pairs: 64,
  innerUpdates: 50,
  innerLearningRate: 0.4,
  noise: "none",
  hidden: 128,
  batchSize: 1024,
  teacherUpdates: 12_000,
  teacherHidden: 128,
  teacherLearningRate: 1e-3,
  cloningUpdates: 8000,
  densityEpochs: 2,
  students: 5,
};

const full: Frame = {
  tasks: [hopperReplay, cheetahReplay, ...experts],
  source:
    "scaled down: 2000 outer updates for 50,000; teacher IQL with 100,000 updates for Cal-QL's million; networks as published",
  seeds: [0, 1, 2],
  episodes: 10,
};
const fullSettings: Settings = { updates: 2000, teacherUpdates: 100_000, densityEpochs: 10 };

const paper: Frame = {
  tasks: gym,
  source: "as published, with our IQL as the teacher for Cal-QL; SDW-OBD's exponent and budget are ours",
  seeds: fiveSeeds,
  episodes: 10,
};
const paperSettings: Settings = { students: 10 };

/** One plan per number of pairs; the rest of a distillation's settings stay. */
const sizePlans = (sizes: readonly number[], frame: Frame, settings: Settings): Plan[] =>
  sizes.map((pairs) => ({
    ...frame,
    runs: [avPbc, sdwObd].map((algorithm) => run(algorithm, { ...settings, pairs, variants: 0 }, { setting: "pairs" })),
  }));

/** OBD and SDW-OBD with several exponents of the reciprocal state density, with errors by how rare a state is. */
function exponentPlans(exponents: readonly (number | "rank")[], frame: Frame, settings: Settings): Plan[] {
  const own: Settings = { ...settings, variants: 0, densityErrors: "reported" };
  const setting = "densityExponent";
  return [
    { ...frame, runs: [run(avPbc, own, { setting })] },
    ...exponents.map((arm) => ({
      ...frame,
      runs: [
        run(sdwObd, { ...own, ...(arm === "rank" ? { densityWeights: arm } : { densityExponent: arm }) }, { setting }),
      ],
    })),
  ];
}

function estimate(cell: Cell): Estimate {
  const evaluationSeconds = cell.algorithm === "sdw_obd" ? 90 : 60;
  return {
    seconds: updateSeconds(cell, 300, 128) + evaluationSeconds * cell.evaluation.episodes / 10, // Measured of a whole update.
    memoryMiB: baseMiB + dataMiB,
  };
}

/** What the three share of the report; `figures` are the experiment's own. */
function section(
  name: string,
  runs: readonly DistillationRun[],
  notes: string[],
  figures: Exhibits["figures"],
  leading?: typeof avPbcPairs,
): Exhibits {
  // Other architectures and optimizers of the students have their own rows in the table of scores alone.
  const scored = scoredSection(name, runs, notes, leading, ({ rule }) => !rule.id.startsWith(variantPrefix));
  return {
    tables: { ...scored.tables, [name]: distillationTable(runs, notes) },
    figures: { ...scored.figures, [`${name}_curves`]: curvesFigure(runs), ...figures },
  };
}

const common = { study: distillationStudy, estimate, onRequest: ["quick"] } as const;

const distillation: Experiment<DistillationResult> = {
  ...common,
  name: "distillation",
  title: "Offline behavior distillation",
  plans: {
    smoke: [{ ...smoke, runs: all.map((algorithm) => run(algorithm, tiny)) }],
    quick: [
      {
        ...quick,
        tasks: [...quick.tasks, cheetahMedium],
        runs: all.map((algorithm) => run(algorithm, small, { perTask: { [cheetahMedium]: faster } })),
      },
      { ...quick, tasks: experts, runs: [avPbc, sdwObd].map((algorithm) => run(algorithm, small)) },
    ],
    standard: [
      { ...standard, runs: [dbc, pbc, avPbc].map((algorithm) => run(algorithm, standardSettings)) },
      { ...standard, runs: [run(sdwObd, { ...standardSettings, densityWeights: "rank" })] },
    ],
    full: [{ ...full, runs: all.map((algorithm) => run(algorithm, { ...fullSettings, variants: 10 })) }],
    paper: [{ ...paper, runs: all.map((algorithm) => run(algorithm, { ...paperSettings, variants: 10 })) }],
  },
  section: (runs, notes) =>
    section("distillation", runs, notes, { distillation_states: projectionFigure(runs) }, avPbcPairs),
  claims: distillationClaims,
};

const sizes: Experiment<DistillationResult> = {
  ...common,
  name: "sizes",
  title: "Distilled pairs: how many",
  plans: {
    smoke: sizePlans([4], smoke, tiny),
    quick: sizePlans([16, 64, 256], quick, small),
    standard: [],
    full: sizePlans([16, 32, 64, 128, 256], full, fullSettings),
    paper: sizePlans(
      [16, 32, 64, 128, 256],
      { ...paper, tasks: gym.filter((task) => task.includes("-replay-")) },
      paperSettings,
    ),
  },
  section: (runs, notes) => section("sizes", runs, notes, { sizes: sizesFigure(runs) }),
  claims: [],
};

const exponents: Experiment<DistillationResult> = {
  ...common,
  name: "exponents",
  title: "SDW-OBD: how states weigh by their density",
  plans: {
    smoke: exponentPlans([1], smoke, tiny),
    quick: exponentPlans(
      [0.05, 0.2, 1],
      { ...quick, tasks: [cheetahMedium], seeds: [3, 4, 5] }, // The rate was chosen on seed 0.
      { ...small, ...faster },
    ),
    standard: exponentPlans(["rank", 1, 0.05], { ...standard, seeds: [6, 7, 8, 9, 10, 11] }, standardSettings),
    full: exponentPlans([0.05, 0.2, 1], { ...full, tasks: ["hopper-medium-local", cheetahMedium] }, fullSettings),
    paper: exponentPlans(
      [0.05, 0.2, 1],
      { ...paper, tasks: gym.filter((task) => task.includes("-medium-v2")) },
      paperSettings,
    ),
  },
  section: (runs, notes) => section("exponents", runs, notes, { exponents: exponentsFigure(runs) }),
  claims: [weightingClaim],
};

/** The arms of {@linkcode exponents} with four times the pairs. */
const larger: Experiment<DistillationResult> = {
  ...common,
  name: "exponents_256",
  title: "SDW-OBD: how states weigh, with 256 pairs",
  plans: {
    smoke: exponentPlans(["rank"], smoke, tiny),
    quick: [],
    standard: exponentPlans(
      ["rank", 1, 0.05],
      { ...standard, seeds: [6, 7, 8, 9, 10, 11], source: standard.source.replace("64 pairs for 256; ", "") },
      { ...standardSettings, pairs: 256 },
    ),
    full: exponentPlans(["rank"], { ...full, tasks: [cheetahMedium] }, fullSettings),
    paper: exponentPlans(
      ["rank"],
      { ...paper, tasks: gym.filter((task) => task.includes("-medium-v2")) },
      paperSettings,
    ),
  },
  section: (runs, notes) => section("exponents_256", runs, notes, { exponents_256: exponentsFigure(runs) }),
  claims: largerClaims,
};

export default [distillation, sizes, exponents, larger];
