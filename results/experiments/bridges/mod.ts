/**
 * Which bridge: every teacher with every bridge, on bandits and on datasets.
 *
 * @module
 */

import {
  bridged,
  type BridgedConfig,
  type BridgeName,
  bridges,
  definedCells,
} from "../../../algorithms/bridges/mod.ts";
import type { TeacherName } from "../../../algorithms/bridges/mod.ts";
import type { Cell } from "../../cells/cell.ts";
import {
  baseMiB,
  cheetahMedium,
  dataMiB,
  equal,
  fiveSeeds,
  gym,
  hopperReplay,
  standardFrame,
  tuningSeed,
  updateSeconds,
} from "../budgets.ts";
import { type Estimate, type Experiment, type Plan, type Run, run } from "../experiment.ts";
import { bridgeClaims } from "./claims.ts";
import { type BridgeDistances, bridgeOfflineStudy } from "./offline.ts";
import { bridgeOfflineClaims, bridgeOfflineSection, weightsTable } from "./offline_section.ts";
import { bridgeFigures, bridgeSummary, bridgeTable } from "./section.ts";
import { type BridgeResult, bridgeStudy } from "./study.ts";
import { bridgeTeacher } from "./teacher.ts";

/** Weights of the bridges, by their names. */
type Weights = Readonly<Record<BridgeName, number>>;

/** Updates of each phase; a student has as many with a teacher as without. */
interface Updates {
  teacher: number;
  critic: number;
  student: number;
}

const teachers = ["ddpm", "edm", "vp", "flow"] as const satisfies readonly TeacherName[];

type Settings = Partial<BridgedConfig>;

/** A student of each cell, without a value and without a critic if `weights` are null. */
function students(
  cells: readonly { teacher: TeacherName | "none"; bridge: BridgeName }[],
  settings: Settings,
  { teacher, critic, student }: Updates,
  weights: Weights | null,
): Run[] {
  return cells.map((cell) => {
    const teacherUpdates = cell.teacher === "none" ? 0 : teacher;
    const criticUpdates = weights ? critic : 0;
    const value = weights ? { bridgeWeight: weights[cell.bridge] } : { valueWeight: 0 };
    const updates = teacherUpdates + criticUpdates + student;
    return run(bridged, { ...settings, ...cell, ...value, teacherUpdates, criticUpdates, updates });
  });
}

/** Each teacher by its sampler. */
const taught = (settings: Settings, { teacher, critic }: Updates, candidates = 1): Run[] =>
  teachers.map((name) =>
    run(bridgeTeacher, {
      ...settings,
      teacher: name,
      teacherUpdates: teacher,
      criticUpdates: critic,
      updates: teacher + critic,
    }, { candidates })
  );

/** The whole grid of a bandit: teachers, students without a value, students with one. */
const whole = (settings: Settings, updates: Updates, weights: Weights): Run[] => [
  ...taught(settings, updates),
  ...students(definedCells(), settings, updates, null),
  ...students(definedCells(), settings, updates, weights),
];

/** A bandit's reward is its value: no step follows. */
const bandit = { discount: 0, rewardTransform: "none" } as const;

/**
 * Each the smallest of 1, 10, 100, 1000 and 10,000 at which samples lie within 0.25 of the data on average, with the teacher of its paper
 * (a flow, where it has none), on 8gaussians-east with seed 100, of which no result rests. Ours.
 */
const banditWeights: Weights = {
  "trust region": 1,
  "score": 10,
  "kl": 100,
  "paired": 10,
  "completion": 1000,
  "consistency": 1000,
  "composition": 1000,
};

const tiny: Settings = { batchSize: 64, hidden: 16 };
const tinyUpdates: Updates = { teacher: 20, critic: 20, student: 20 };
const small: Settings = { ...bandit, batchSize: 256, hidden: 64, learningRate: 2e-3 };
const smallUpdates: Updates = { teacher: 2000, critic: 500, student: 2000 };
const grid: Plan = {
  tasks: ["8gaussians-east"],
  runs: whole(small, smallUpdates, banditWeights),
  source:
    "ours: width 64, batches of 256, learning rate 0.002, 2000 updates of each teacher, 500 of the critic, 2000 of each student; " +
    "weight 1 of the trust region, 10 of score and paired, 100 of KL, 1000 of the others, chosen on seed 100",
  seeds: [1],
  episodes: 500,
};
const longUpdates: Updates = { teacher: 20_000, critic: 5000, student: 20_000 };
const longer: Settings = { ...small, hidden: 128 };
const allBandits = [
  "25gaussians-far",
  "25gaussians-near",
  "25gaussians-hard",
  "8gaussians-far",
  "moons-far",
  "checkerboard-far",
];

/** Updates of the student alone, whose teacher and critic other cells share; of a teacher's cell, of both. */
function ownSeconds(cell: Cell): number {
  const { updates, teacherUpdates, criticUpdates } = cell.config as BridgedConfig;
  const own = cell.algorithm === "bridged" ? updates - teacherUpdates - criticUpdates : updates;
  return updateSeconds({ ...cell, config: { ...cell.config, updates: own } }, 3);
}

/** A cell of a bandit: a process's start and its training. */
const estimate = (cell: Cell): Estimate => ({ seconds: 4 + ownSeconds(cell), memoryMiB: baseMiB });

const onBandits: Experiment<BridgeResult> = {
  name: "bridges",
  title: "Teachers and bridges on bandits",
  study: bridgeStudy,
  estimate,
  onRequest: ["quick"],
  plans: {
    smoke: [{
      tasks: ["8gaussians-east"],
      runs: students(
        [{ teacher: "edm", bridge: "trust region" }, { teacher: "none", bridge: "completion" }],
        { ...bandit, ...tiny },
        tinyUpdates,
        banditWeights,
      ),
      source: "smoke test: two cells of the grid, 20 updates of each network, width 16",
      seeds: [0],
      episodes: 100,
    }],
    quick: [grid],
    standard: [{ ...grid, seeds: [1, 2, 3] }],
    full: [{
      ...grid,
      tasks: allBandits,
      runs: whole(longer, longUpdates, banditWeights),
      source:
        "ours: width 128, batches of 256, 20,000 updates of each teacher, 5000 of the critic, 20,000 of each student",
      seeds: [1, 2, 3],
      episodes: 1000,
    }],
    paper: [{
      ...grid,
      tasks: allBandits,
      runs: whole({ ...bandit, learningRate: 1e-3 }, longUpdates, banditWeights),
      source: "ours: no paper has the grid; the defaults' width with 20,000 updates of each teacher and student",
      seeds: fiveSeeds.map((seed) => seed + 1),
      episodes: 1000,
    }],
  },
  section: (runs, notes) => ({
    tables: { bridges: bridgeTable(runs, notes), bridges_summary: bridgeSummary(runs) },
    figures: bridgeFigures(runs),
  }),
  claims: bridgeClaims,
};

// ------------------------------------------------------------------------------------------------------ Datasets

/** Many modes and few. */
const datasets = [hopperReplay, cheetahMedium];
/** Each the best of six trials, `bridge_weights`. */
const offlineWeights: Readonly<Record<string, Weights>> = {
  [hopperReplay]: {
    "trust region": 0.01,
    "score": 0.01,
    "kl": 0.01,
    "paired": 0.1,
    "completion": 0.1,
    "consistency": 1,
    "composition": 1,
  },
  [cheetahMedium]: {
    "trust region": 0.1,
    "score": 1,
    "kl": 100,
    "paired": 1,
    "completion": 10,
    "consistency": 1000,
    "composition": 100,
  },
};
/** Of a loss beside a value of about one; DTQL's 50 beside its unscaled values of some hundreds is about 0.2. */
const trials = [0.01, 0.1, 1, 10, 100, 1000];
/** Candidates of a teacher that the critic judges. */
const judged = 16;

const scaled: Settings = { ...equal, learningRate: 1e-3 };
const scaledUpdates: Updates = { teacher: 12_000, critic: 12_000, student: 4000 };
const fullUpdates: Updates = { teacher: 100_000, critic: 100_000, student: 100_000 };
const offlineGrid = (settings: Settings, updates: Updates, weights: Weights): Run[] => [
  ...taught(settings, updates, judged),
  ...students(definedCells(), settings, updates, weights),
];
/** The grid on each dataset, with its own weights. */
const onEach = (settings: Settings, updates: Updates, plan: Omit<Plan, "tasks" | "runs">): Plan[] =>
  datasets.map((task) => ({ ...plan, tasks: [task], runs: offlineGrid(settings, updates, offlineWeights[task]) }));

const estimateOffline = (cell: Cell): Estimate => ({
  seconds: 10 + ownSeconds(cell) + cell.evaluation.episodes * (cell.algorithm === "bridged" ? 0.5 : 10),
  memoryMiB: baseMiB + 2 * dataMiB,
});
const offline = { study: bridgeOfflineStudy, estimate: estimateOffline } as const;

const onDatasets: Experiment<BridgeDistances> = {
  ...offline,
  name: "bridges_offline",
  title: "Teachers and bridges on datasets",
  onRequest: ["quick"],
  plans: {
    smoke: [{
      tasks: [hopperReplay],
      runs: [
        ...students(
          [{ teacher: "flow", bridge: "paired" }],
          { ...tiny, normalizeObservations: true },
          tinyUpdates,
          offlineWeights[hopperReplay],
        ),
      ],
      source: "smoke test: one cell of the grid, 20 updates of each network, width 16",
      seeds: [0],
      episodes: 2,
    }],
    quick: [],
    standard: onEach(scaled, scaledUpdates, {
      source:
        "ours: normalized observations, width 128, batches of 256, learning rate 0.001, 12,000 updates of each teacher and of the critic, 4000 " +
        "of each student; each bridge's weight on each dataset the best of six on seed 100 (`bridge_weights`)",
      seeds: standardFrame.seeds,
      episodes: standardFrame.episodes,
    }),
    full: onEach({ normalizeObservations: true }, fullUpdates, {
      source: "ours: width 256, 100,000 updates of each network; weights as in `standard`",
      seeds: [0, 1, 2],
      episodes: 10,
    }),
    paper: [{
      tasks: gym,
      runs: offlineGrid(
        { normalizeObservations: true },
        { teacher: 300_000, critic: 300_000, student: 400_000 },
        offlineWeights[cheetahMedium],
      ),
      source:
        `ours: no paper has the grid; the defaults, on normalized observations; weights as on ${cheetahMedium} in \`standard\``,
      seeds: fiveSeeds,
      episodes: 10,
    }],
  },
  section: bridgeOfflineSection,
  claims: bridgeOfflineClaims,
};

/** Each bridge with the teacher of its paper. */
const own: readonly { teacher: TeacherName | "none"; bridge: BridgeName }[] = [
  { teacher: "edm", bridge: "trust region" },
  { teacher: "vp", bridge: "score" },
  { teacher: "edm", bridge: "kl" },
  { teacher: "flow", bridge: "paired" },
  { teacher: "none", bridge: "completion" },
  { teacher: "none", bridge: "consistency" },
  { teacher: "none", bridge: "composition" },
];

/** As many trials of each bridge's weight on each dataset. */
const tuning: Experiment<BridgeDistances> = {
  ...offline,
  name: "bridge_weights",
  title: "Weights of bridges",
  onRequest: ["smoke", "quick", "standard", "full", "paper"],
  plans: {
    smoke: [],
    quick: [],
    standard: [{
      tasks: datasets,
      runs: trials.flatMap((weight) => {
        const weights = Object.fromEntries(Object.keys(bridges).map((name) => [name, weight])) as Weights;
        return students(own, scaled, scaledUpdates, weights).map((own): Run => ({ ...own, setting: "bridgeWeight" }));
      }),
      source: "ours: as bridges_offline, the weight of each bridge tried at 0.01, 0.1, 1, 10, 100 and 1000",
      seeds: [tuningSeed],
      episodes: standardFrame.episodes,
    }],
    full: [],
    paper: [],
  },
  section: (runs, notes) => ({ tables: { bridge_weights: weightsTable(runs, notes) }, figures: {} }),
  claims: [],
};

export default [onBandits, onDatasets, tuning];
