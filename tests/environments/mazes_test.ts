import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createRng } from "../../algorithms/core/rng.ts";
import { createWaypointController } from "../../data/waypoints.ts";
import {
  antMazes,
  createEnvironment,
  createMaze,
  findTask,
  type Maze,
  type MazeSize,
  pointMazes,
  shortestPath,
} from "../../environments/mod.ts";

const sizes: MazeSize[] = ["umaze", "medium", "large"];

Deno.test("shortestPath() steps between neighbouring free cells and is as short as a flood says", () => {
  for (const maze of [...Object.values(pointMazes), ...Object.values(antMazes)]) {
    const flood = new Map([[`${maze.goal}`, 0]]);
    for (let changed = true; changed;) { // Bellman-Ford, a different algorithm.
      changed = false;
      for (const [i, j] of maze.free) {
        for (const [di, dj] of [[0, 1], [1, 0], [0, -1], [-1, 0]]) {
          const through = (flood.get(`${[i + di, j + dj]}`) ?? Infinity) + 1;
          if (through < (flood.get(`${[i, j]}`) ?? Infinity)) {
            flood.set(`${[i, j]}`, through);
            changed = true;
          }
        }
      }
    }
    for (const cell of maze.free) {
      const path = shortestPath(maze, cell, maze.goal);
      assertEquals(path.length - 1, flood.get(`${cell}`));
      path.slice(1).forEach(([i, j], k) => {
        assertEquals(Math.abs(i - path[k][0]) + Math.abs(j - path[k][1]), 1);
        assert(!maze.isWall(i, j));
      });
    }
  }
  const split = createMaze(["#####", "#.#G#", "#####"]);
  assertThrows(() => shortestPath(split, [1, 1], [1, 3]), RangeError, "Cannot find a way");
  assertThrows(() => createMaze(["###"]), RangeError, 'must have a goal "G"');
});

Deno.test("AntMaze's goals lie at D4RL's coordinates, redrawn at every reset in v2 and once in v0", async () => {
  const corners = { umaze: [0, 8], medium: [20, 20], large: [32, 24] };
  for (const size of sizes) {
    for (const version of ["v0", "v2"]) {
      using env = await createEnvironment(findTask(`antmaze-${size}-${version}`));
      const goals = Array.from({ length: 5 }, (_, i) => {
        env.reset(i);
        return [...env.goal!];
      });
      for (const goal of goals) goal.forEach((x, d) => assert(x >= corners[size][d] && x <= corners[size][d] + 1.5));
      assertEquals(new Set(goals.map(String)).size, version === "v0" ? 1 : 5);
      assertEquals(env.reset(0).length, 29);
    }
  }
});

Deno.test("AntMaze rewards the goal once and ends there; walls hold the ant", async () => {
  using env = await createEnvironment(findTask("antmaze-umaze-v2"));
  const start = env.reset(3).slice();
  const still = new Float64Array(8);
  assertEquals(env.step(still).reward, 0);
  const state = [...start.slice(0, 15)];
  [state[0], state[1]] = env.goal!;
  env.setState(state, start.slice(15));
  const { reward, terminated } = env.step(still);
  assertEquals([reward, terminated], [1, true]);
  env.reset(3);
  let furthest = 0;
  for (let i = 0; i < 200; i++) { // Pushed to the left, where a wall begins at -2.
    env.qvel[0] = -3;
    furthest = Math.min(furthest, env.step(still).observation[0]);
  }
  assert(furthest < -0.5 && furthest > -2, `the torso came to x = ${furthest}`);
});

Deno.test("Maze2d rewards nearness, sparse and dense, limits speeds and never terminates", async () => {
  using sparse = await createEnvironment(findTask("maze2d-umaze-v1"));
  using dense = await createEnvironment(findTask("maze2d-umaze-dense-v1"));
  assertEquals([sparse.maxEpisodeSteps, ...sparse.goal!], [300, 1, 1]);
  for (const [x, wanted] of [[1.2, 1], [1.6, 0]]) {
    sparse.setState([1, x], [0, 0]);
    assertEquals(sparse.step([0, 0]).reward, wanted);
    dense.setState([1, x], [0, 0]);
    assertAlmostEquals(dense.step([0, 0]).reward, Math.exp(-(x - 1)), 1e-6);
  }
  sparse.setState([2.9, 1], [0, 50]);
  const speed = sparse.step([0, 1]).observation[3];
  assert(speed > 5 && speed < 5.23, `speed ${speed}`); // 5, and one step's acceleration.
  for (let i = 1; i < 300; i++) assertEquals(sparse.step([1, 1]).truncated, i === 299);
});

// D4RL's references are means of 100 episodes of a controller that keeps its plan from one episode to the next.
for (const [size, reference] of [["umaze", 161.86], ["medium", 277.39], ["large", 273.99]] as const) {
  Deno.test(`the waypoint controller earns D4RL's reference return on maze2d-${size}, within seed noise`, async () => {
    using env = await createEnvironment(findTask(`maze2d-${size}-v1`));
    const play = (episodes: number, controllerOf: (episode: number) => ReturnType<typeof createWaypointController>) =>
      Array.from({ length: episodes }, (_, episode) => {
        const controller = controllerOf(episode);
        let [observation, sum] = [env.reset(episode), 0];
        for (;;) {
          const [x, y, vx, vy] = observation;
          const result = env.step(controller.act([x, y], [vx, vy], [env.goal![0], env.goal![1]]).action);
          observation = result.observation;
          sum += result.reward;
          if (result.truncated) return sum;
        }
      });
    const mean = (xs: number[]) => xs.reduce((a, b) => a + b) / xs.length;
    const maze: Maze = pointMazes[size];
    const kept = createWaypointController(maze, createRng("kept"));
    const returns = play(100, () => kept);
    const m = mean(returns);
    const error = Math.sqrt(mean(returns.map((r) => (r - m) ** 2)) / 100 * 2); // Theirs and ours.
    const fresh = mean(play(20, (episode) => createWaypointController(maze, createRng(`${episode}`))));
    console.log(`      ${m.toFixed(1)} ± ${error.toFixed(1)}, D4RL ${reference}; planning afresh ${fresh.toFixed(1)}`);
    assertAlmostEquals(m, reference, 3 * error);
    assert(fresh > m);
  });
}
