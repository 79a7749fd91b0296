/**
 * The D4RL datasets that the papers here use: where they are, how large, and how to know them.
 *
 * Sizes and SHA-256 from TensorFlow Datasets' checksum lists, Kitchen's from a public acquisition record, transitions and
 * returns as published with the data (those of complete episodes). What is not known is null.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import { homedir } from "node:os";
import { join } from "node:path";
import { localRecipes } from "./recipes.ts";

/** A dataset of the catalog. */
export interface CatalogEntry {
  /** Its name in the catalog. */
  id: string;
  /** Path below {@linkcode d4rlHost}; its last part is the file's name on disk. */
  path: string;
  /** Size of the file; null if it is not published. */
  bytes: number | null;
  /** SHA-256 in hex; `*` stands for digits that are not published. */
  sha256: string | null;
  /** Transitions in complete episodes. */
  transitions: number | null;
  /** Returns: mean, deviation, least, largest. */
  returns: readonly [number, number, number, number] | null;
  /** Under which it may be used. */
  licence: string;
  /** Papers that use it: DTQL, SRPO, OBD (both of them), MBTS (trajectory stitching). */
  papers: readonly string[];
}

/** Where D4RL's files are. */
export const d4rlHost = "http://rail.eecs.berkeley.edu/datasets/offline_rl/";

/** A mirror that holds the files under their names alone; not checked by us, but every hash above is. */
export const d4rlMirrors: readonly string[] = ["https://huggingface.co/datasets/imone/D4RL/resolve/main/"];

const licence = "CC BY 4.0 (D4RL, Fu et al. 2020, arXiv 2004.07219)";

type Row = [bytes: number | null, sha256: string | null];
type Known = [transitions: number, returns: CatalogEntry["returns"]];

const gymFiles: Record<string, Row> = {
  "halfcheetah-random": [237338037, "25407aef85b5d16c0f36b4149341edb4acc6a9e88c1db529b2de19e7464874ba"],
  "halfcheetah-medium": [237727262, "41324e8487a9556d8cfa4538827f8937f4d63dae3030825ebc9f3a726ed08ca0"],
  "halfcheetah-medium-replay": [59448533, "48d494a4770c11f48260736dec090b78bdca8375647ed4d24bfa5b6610c7f683"],
  "halfcheetah-medium-expert": [474567252, "015db75dae5bbe8e94029b71fa0bafc2073365df0c94744e71031189f3f79c06"],
  "halfcheetah-expert": [237464597, "d9fe53bb994eb1e20a99b4fa3412cd76a1bb7966a7ff55e0fcbdd6081bd2965f"],
  "hopper-random": [152525345, "63103ef7059db4c0819bd054f4e83ff339030b50bcdb46bdbe50385f234b5054"],
  "hopper-medium": [152756557, "5bdf1bc4a713c82941de44633df669b36c89850b652a25985166796d25cf71a0"],
  "hopper-medium-replay": [75854457, "e121c5f7c9857a307baa9edc6a2c3b48e85fedb9ac316ecddd0f48ca7ef4e39b"],
  "hopper-medium-expert": [304537315, "9d51ad87f8c905be3880d84c6140bcdb7fbf39a19e046a237f238ba34fec9e26"],
  "hopper-expert": [152427435, "01aa219a5f8eea5e639eccdc636ec2bf40e317159a95cf4bf6e985f16909941b"],
  "walker2d-random": [216109364, "4e863bb6090cf4a461548bd470564b32f1ae5b32ef3085f816b2ede7f092e7fa"],
  "walker2d-medium": [232254996, "cf00f43add04c17fdfc2958dd581dea0851b2e5bedbe6fda073758a8f841aeda"],
  "walker2d-medium-replay": [86323963, "e75de96a4f77acf7d4e0d6fdf0d7ccb177c26c44bb4388e4fd99f543ccfa18db"],
  "walker2d-medium-expert": [462197079, "6b8d7f868c45bbaedf460be797fb7271b46dee6ebe45fe7a64319f2005b59a04"],
  "walker2d-expert": [230567195, "2985dc3d436a8baa10e8f43f946fe1d7c6337a4e4fbc65def70618093b18c59a"],
};
const gymKnown: Record<string, Known> = {
  "halfcheetah-medium": [1_000_000, [4770, 356, -310, 5309]],
  "halfcheetah-medium-replay": [202_000, [3093, 1681, -638, 4985]],
  "halfcheetah-expert": [1_000_000, [10656, 442, 2046, 11252]],
  "hopper-medium": [999_906, [1422, 379, 316, 3222]],
  "hopper-medium-replay": [402_000, [467, 511, -1, 3193]],
  "hopper-expert": [999_494, [3511, 329, 1645, 3759]],
  "walker2d-medium": [999_995, [2852, 1095, -7, 4227]],
  "walker2d-medium-replay": [302_000, [683, 896, -50, 4132]],
  "walker2d-expert": [999_214, [4921, 136, 763, 5012]],
};
const gymPapers = (name: string) =>
  name.endsWith("random")
    ? []
    : /-(medium|medium-replay|medium-expert)$/.test(name)
    ? ["DTQL", "SRPO", "OBD", "MBTS"]
    : ["MBTS"];

/** AntMaze: the file's stem, then `v0` and `v2`. */
const antMazeFiles: Record<string, [stem: string, v0: Row, v2: Row]> = {
  "umaze": [
    "u-maze_noisy_multistart_False_multigoal_False_sparse",
    [null, "18883831*"],
    [232532949, "5ef15257771c50ef4d23c7de001750e96c8bb5d9b6a5e4a821dcfb3065fbd130"],
  ],
  "umaze-diverse": [
    "u-maze_noisy_multistart_True_multigoal_True_sparse",
    [null, "4aff7f77*"],
    [230854272, "c771dd63963cd7d9f55f24a6d809064f6b82250a6aeac4c9d13f9a1d06e8c932"],
  ],
  "medium-play": [
    "big-maze_noisy_multistart_True_multigoal_False_sparse",
    [null, "527385c1*"],
    [231110764, "c9fec1c1*8018827e5b"],
  ],
  "medium-diverse": [
    "big-maze_noisy_multistart_True_multigoal_True_sparse",
    [null, "b77764ca*"],
    [231095166, "ad9dcbac05d1f8744a7a216083f513662f43f64f28a4a5eb225e9811902dfae7"],
  ],
  "large-play": [
    "hardest-maze_noisy_multistart_True_multigoal_False_sparse",
    [null, "e37afef5*"],
    [230880653, "6d353df2457829925d7f9d4b0215587469908bd57478ea76f16417cfa944f471"],
  ],
  "large-diverse": [
    "hardest-maze_noisy_multistart_True_multigoal_True_sparse",
    [null, "dda7acbd*"],
    [231183710, "84f775eb7956ea9cc766704710dc520a8ab357adc7522ade47f556f0e335e284"],
  ],
};

const kitchenFiles: Record<string, [name: string, Row, transitions: number]> = {
  complete: [
    "mini_kitchen_microwave_kettle_light_slider",
    [556544, "cd797c38cd52dfbe3f960cef73935cc724847abd189e47a703a7a2315ed60a81"],
    3680,
  ],
  partial: [
    "kitchen_microwave_kettle_light_slider",
    [19558459, "57bfd9c5fe88a7cf702bbaf8b7cd800d30cd869e7f73416007238d26cd859800"],
    136_950,
  ],
  mixed: [
    "kitchen_microwave_kettle_bottomburner_light",
    [19560760, "a30382a50278fdaea2e2d88e5f2836a95bcf9b581d252617872fd6537302721b"],
    136_950,
  ],
};

const handFiles: Record<string, Row> = {
  "pen-human": [2040573, "209e345b*"],
  "pen-cloned": [155074191, "6d1a982c*"],
  "pen-expert": [262040663, "3791b8ca*"],
  "hammer-human": [5606475, "3e42f3f4*"],
  "hammer-cloned": [446616879, "e48d75b1*"],
  "hammer-expert": [557047483, "1c069a0f*"],
  "door-human": [3121206, "f9691288*"],
  "door-cloned": [294356136, "1f6a60ec*"],
  "door-expert": [536056678, "66df4cd4*"],
  "relocate-cloned": [581319494, "8baf2b7f0a7e44e6263e89a4c544a5dd98475f2dada833ba60d887e08fc77772"],
};

function entry(id: string, path: string, [bytes, sha256]: Row, more: Partial<CatalogEntry> = {}): CatalogEntry {
  return { id, path, bytes, sha256, transitions: null, returns: null, licence, papers: [], ...more };
}

const entries: CatalogEntry[] = [
  ...Object.entries(gymFiles).map(([name, row]) => {
    const [transitions, returns] = gymKnown[name] ?? [null, null];
    const [robot, ...kind] = name.split("-");
    const file = `gym_mujoco_v2/${robot}_${kind.join("_")}-v2.hdf5`;
    return entry(`${name}-v2`, file, row, { transitions, returns, papers: gymPapers(name) });
  }),
  ...Object.entries(antMazeFiles).flatMap(([name, [stem, v0, v2]]) => [
    entry(`antmaze-${name}-v0`, `ant_maze_new/Ant_maze_${stem}.hdf5`, v0, { transitions: 1_000_000, papers: ["DTQL"] }),
    entry(`antmaze-${name}-v2`, `ant_maze_v2/Ant_maze_${stem}_fixed.hdf5`, v2, {
      transitions: 1_000_000,
      papers: ["DTQL", "SRPO"],
    }),
  ]),
  ...Object.entries(kitchenFiles).map(([name, [file, row, transitions]]) =>
    entry(`kitchen-${name}-v0`, `kitchen/${file}-v0.hdf5`, row, { transitions, papers: ["DTQL"] })
  ),
  ...Object.entries(handFiles).map(([name, row]) =>
    entry(`${name}-v1`, `hand_dapg_v1/${name}-v1.hdf5`, row, {
      papers: name === "pen-human" || name === "pen-cloned" ? ["DTQL"] : [],
    })
  ),
  ...["umaze", "medium", "large"].flatMap((size) => [
    entry(`maze2d-${size}-v1`, `maze2d/maze2d-${size}-sparse-v1.hdf5`, [null, null]),
    entry(`maze2d-${size}-dense-v1`, `maze2d/maze2d-${size}-dense-v1.hdf5`, [null, null]),
  ]),
];

/** The catalog by id. */
export const catalog: ReadonlyMap<string, CatalogEntry> = new Map(entries.map((e) => [e.id, e]));

/** Throws what an unknown dataset id deserves: the nearest known one. */
export function unknownDataset(id: string): RangeError {
  const near = closest(id, [...catalog.keys(), ...Object.keys(localRecipes)]);
  return new RangeError(
    `Cannot find dataset "${id}": unknown id; did you mean "${near}"? \`deno task dataset list\` has all`,
  );
}

/** Where datasets lie: `D4RL_DATASET_DIR`, or `~/.d4rl/datasets` as D4RL itself has it. */
export function datasetFolder(): string {
  return Deno.env.get("D4RL_DATASET_DIR") || join(homedir(), ".d4rl", "datasets");
}

/** A dataset's file: D4RL's own name for one of its files, the id for a local one. */
export function datasetPath(id: string, folder: string = datasetFolder()): string {
  const found = catalog.get(id);
  if (!found && !localRecipes[id]) throw unknownDataset(id);
  return join(folder, found ? found.path.split("/").at(-1)! : `${id}.hdf5`);
}

/** Whether a hash in hex fits a published one, whose `*` stands for digits that are not known. */
export function hashFits(hash: string, published: string): boolean {
  const [start, end = ""] = published.split("*");
  return hash.startsWith(start) && hash.endsWith(end);
}
