/**
 * Mazes as grids of cells: layouts, walls and shortest paths.
 *
 * @module
 */

/** A cell, `[row, column]`. */
export type Cell = readonly [number, number];

/** A maze: `#` is wall, `R` the start, `G` the goal, anything else free. */
export interface Maze {
  /** One character per cell. */
  rows: readonly string[];
  /** Cells without a wall, row by row. */
  free: readonly Cell[];
  /** The goal's cell. */
  goal: Cell;
  /** Whether a cell is a wall; what is outside is. */
  isWall(row: number, column: number): boolean;
}

/** A maze from its drawing. */
export function createMaze(rows: readonly string[]): Maze {
  const cells = rows.flatMap((row, i) => [...row].map((mark, j) => ({ mark, cell: [i, j] as const })));
  const goal = cells.find(({ mark }) => mark === "G");
  if (!goal) throw new RangeError(`Cannot create maze: it must have a goal "G", current rows are ${rows.join(" ")}`);
  return {
    rows,
    free: cells.filter(({ mark }) => mark !== "#").map(({ cell }) => cell),
    goal: goal.cell,
    isWall: (row, column) => (rows[row]?.[column] ?? "#") === "#",
  };
}

/** The cells on a shortest way from one cell to another, both included; breadth first, up, down, left, right. */
export function shortestPath(maze: Maze, from: Cell, to: Cell): Cell[] {
  const key = ([i, j]: Cell) => `${i},${j}`;
  const cameFrom = new Map<string, Cell | null>([[key(to), null]]);
  const queue: Cell[] = [to]; // Backwards, so that the way can be read off forwards.
  for (const cell of queue) {
    if (key(cell) === key(from)) break;
    for (const [di, dj] of [[-1, 0], [1, 0], [0, -1], [0, 1]]) {
      const next = [cell[0] + di, cell[1] + dj] as const;
      if (maze.isWall(...next) || cameFrom.has(key(next))) continue;
      cameFrom.set(key(next), cell);
      queue.push(next);
    }
  }
  if (!cameFrom.has(key(from))) {
    throw new RangeError(`Cannot find a way from cell ${from.join(", ")} to ${to.join(", ")}: none is free of walls`);
  }
  const path: Cell[] = [];
  for (let cell: Cell | null | undefined = from; cell; cell = cameFrom.get(key(cell))) path.push(cell);
  return path;
}

const u = (marks: string) => createMaze(marks.trim().split(/\s+/));

/** Sizes of mazes. */
export const mazeSizes = ["umaze", "medium", "large"] as const;

/** Size of a maze. */
export type MazeSize = typeof mazeSizes[number];

/** The mazes of D4RL's Maze2d, by size. */
export const pointMazes: Readonly<Record<MazeSize, Maze>> = {
  umaze: u(`
    #####
    #G..#
    ###.#
    #...#
    #####`),
  medium: u(`
    ########
    #..##..#
    #..#...#
    ##...###
    #..#...#
    #.#..#.#
    #...#.G#
    ########`),
  large: u(`
    ############
    #....#.....#
    #.##.#.#.#.#
    #......#...#
    #.####.###.#
    #..#.#.....#
    ##.#.#.#.###
    #..#...#.G.#
    ############`),
};

/** The mazes of D4RL's AntMaze, by size. */
export const antMazes: Readonly<Record<MazeSize, Maze>> = {
  umaze: u(`
    #####
    #R..#
    ###.#
    #G..#
    #####`),
  medium: u(`
    ########
    #R.##..#
    #..#...#
    ##...###
    #..#...#
    #.#..#.#
    #...#.G#
    ########`),
  large: u(`
    ############
    #R...#.....#
    #.##.#.#.#.#
    #......#...#
    #.####.###.#
    #..#.#.....#
    ##.#.#.#.###
    #..#...#.G.#
    ############`),
};
