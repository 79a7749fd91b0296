/**
 * How the local datasets are made: who acts, in which task, for how long.
 *
 * @module
 */

/** Who acts in a local dataset. */
export type Behaviour =
  /** Uniform actions. */
  | { kind: "random" }
  /** Policies from a training's history, snapshots `from` to `to`, in equal shares; all noise Gaussian. */
  | { kind: "policies"; from: number; to: number; weightNoise: number; actionNoise: number }
  /** D4RL's waypoint controller, from goal to goal. */
  | { kind: "waypoints" }
  /** A walking ant, from the start to the goal; all noise Gaussian. */
  | { kind: "walker"; actionNoise: number };

/** How a local dataset is made. */
export interface LocalRecipe {
  /** Its name in the catalog. */
  id: string;
  /** Name of the task, see {@linkcode findTask}. */
  task: string;
  /** Rows to make. */
  transitions: number;
  /** What acts, in equal parts one after the other. */
  behaviours: readonly Behaviour[];
  /** Seed of everything random in it. */
  seed: number;
}

type Policies = [from: number, to: number, weightNoise: number, actionNoise: number];
const policies = ([from, to, weightNoise, actionNoise]: Policies): Behaviour => ({
  kind: "policies",
  from,
  to,
  weightNoise,
  actionNoise,
});

const million = 1_000_000;

/** D4RL's five kinds of a robot; each has the snapshots and noises that come nearest to D4RL's returns. */
function robotRecipes(
  robot: string,
  replayRows: number,
  replay: Policies,
  medium: Policies,
  expert: Policies,
): LocalRecipe[] {
  const recipe = (kind: string, transitions: number, ...behaviours: Behaviour[]): LocalRecipe => ({
    id: `${robot}-${kind}-local`,
    task: robot,
    transitions,
    behaviours,
    seed: 0,
  });
  return [
    recipe("random", million, { kind: "random" }),
    recipe("medium-replay", replayRows, policies(replay)),
    recipe("medium", million, policies(medium)),
    recipe("medium-expert", 2 * million, policies(medium), policies(expert)),
    recipe("expert", million, policies(expert)),
  ];
}

const recipes: LocalRecipe[] = [
  ...robotRecipes("hopper", 209_000, [0, 18, 0.025, 0.1], [13, 13, 0, 0.1], [31, 31, 0, 0.05]),
  ...robotRecipes("halfcheetah", 202_000, [0, 7, 0, 0.1], [6, 6, 0, 0.1], [11, 11, 0, 0.1]),
  ...robotRecipes("walker2d", 302_000, [0, 9, 0, 0.1], [8, 8, 0, 0.1], [11, 11, 0, 0.05]),
  ...["umaze", "medium", "large"].map((size, i): LocalRecipe => ({
    id: `maze2d-${size}-local`,
    task: `maze2d-${size}`,
    transitions: [1, 2, 4][i] * million,
    behaviours: [{ kind: "waypoints" }],
    seed: 0,
  })),
  ...["umaze", "medium", "large"].map((size): LocalRecipe => ({
    id: `antmaze-${size}-local`,
    task: `antmaze-${size}-v2`,
    transitions: million,
    behaviours: [{ kind: "walker", actionNoise: 0.2 }], // D4RL's noise.
    seed: 0,
  })),
];

/** Local datasets by id. */
export const localRecipes: Readonly<Record<string, LocalRecipe>> = Object.fromEntries(recipes.map((r) => [r.id, r]));

/** The recipe of a local dataset; undefined if the id is not of one. */
export const findRecipe = (id: string): LocalRecipe | undefined => recipes.find((recipe) => recipe.id === id);
