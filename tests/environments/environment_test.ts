import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ndarray } from "../../algorithms/engine/array.ts";
import {
  createEnvironment,
  type Environment,
  findTask,
  hopper,
  type Physics,
  playEpisodes,
} from "../../environments/mod.ts";

Deno.test("hopper gives the same episode for the same seed, another for another", async () => {
  using env = await createEnvironment(hopper, "d4rl");
  const run = (seed: number) => {
    const states = [...env.reset(seed)];
    for (let i = 0; i < 20; i++) states.push(...env.step([0.3, -0.2, 0.1]).observation);
    return states;
  };
  const first = run(1);
  assertEquals(run(1), first);
  assert(run(2).some((x, i) => x !== first[i]));
});

Deno.test("reset() without a seed gives a new start each time, a stream of the last seed's", async () => {
  for (const id of ["hopper", "antmaze-umaze-v2", "maze2d-large-v1"]) {
    using env = await createEnvironment(findTask(id));
    using other = await createEnvironment(findTask(id));
    const starts = (of: Environment, seed?: number) => [`${of.reset(seed)}`, `${of.reset()}`, `${of.reset()}`];
    const chance = starts(env);
    assertEquals(new Set([...chance, ...starts(other)]).size, 6); // As in Gymnasium, never seeded: by chance.
    const stream = starts(env, 3);
    assertEquals(new Set(stream).size, 3);
    assertEquals(starts(other, 3), stream);
    assert(starts(other, 4).every((start) => !stream.includes(start)));
    assertEquals(`${env.reset(3)}`, stream[0]);
    for (const seed of [1.5, -1, NaN, 2 ** 53, null as never]) {
      assertThrows(() => env.reset(seed), RangeError, `seed must be an integer from 0 on, current value is ${seed}`);
    }
  }
});

Deno.test("createEnvironment() knows three physics", async () => {
  const unknown = createEnvironment(hopper, "D4RL" as Physics);
  await assertRejects(() => unknown, RangeError, "physics must be one of d4rl, v4, stock, current value is D4RL");
});

Deno.test("hopper terminates when it falls and truncates at 1000 steps", async () => {
  using env = await createEnvironment(hopper, "d4rl");
  env.reset(0);
  let steps = 0;
  for (;;) {
    const { terminated, truncated } = env.step([1, 1, 1]);
    steps++;
    assert(!truncated);
    if (terminated) break;
  }
  assert(steps < 200, `fell after ${steps} steps`);
  assertEquals(env.maxEpisodeSteps, 1000);
  assertAlmostEquals(env.controlTimestep, 0.008, 1e-12);
  assertThrows(() => env.step([NaN, 0, 0]), RangeError, "action 0 must be a finite number, current value is NaN");
});

Deno.test("two environments do not disturb each other", async () => {
  using one = await createEnvironment(hopper, "d4rl");
  const alone = [one.reset(5), one.step([1, 0, 0]).observation].map((x) => [...x]);
  const many = await Promise.all(Array.from({ length: 8 }, () => createEnvironment(hopper, "d4rl")));
  one.reset(5);
  for (const env of many) {
    env.reset(9);
    env.step([0, 1, 0]);
  }
  assertEquals([...one.step([1, 0, 0]).observation], alone[1]);
  for (const env of many) env[Symbol.dispose]();
});

Deno.test("playEpisodes() sums each episode's rewards until its end", async () => {
  using one = await createEnvironment(hopper, "d4rl");
  using two = await createEnvironment(hopper, "d4rl");
  const still = (n: number) => Promise.resolve(ndarray(new Float32Array(3 * n), [n, 3]));
  const episodes = await playEpisodes([one, two], ({ shape }) => still(shape[0]));
  for (const { seed, episodeReturn, length } of episodes) {
    one.reset(seed);
    let [sum, steps] = [0, 0];
    for (;;) {
      const step = one.step([0, 0, 0]);
      sum += step.reward;
      steps++;
      if (step.terminated || step.truncated) break;
    }
    assertEquals([sum, steps], [episodeReturn, length]);
  }
});
