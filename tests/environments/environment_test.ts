import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ndarray } from "../../algorithms/engine/array.ts";
import { createEnvironment, findTask, hopper, normalizedScore, playEpisodes } from "../../environments/mod.ts";

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

Deno.test("normalizedScore() is 0 at random and 100 at expert returns, and names what it knows", () => {
  assertAlmostEquals(normalizedScore("hopper-medium-v2", -20.272305), 0);
  assertAlmostEquals(normalizedScore("walker2d-expert-v2", 4592.3), 100);
  assertAlmostEquals(normalizedScore("maze2d-large-v1", 273.99), 100);
  assertAlmostEquals(normalizedScore("maze2d-large-dense-v1", 303.4857382709002), 100);
  assertAlmostEquals(normalizedScore("antmaze-umaze-diverse-v2", 0.5), 50);
  assertThrows(() => normalizedScore("chess-v0", 1), RangeError, "family must be one of halfcheetah, hopper");
});

Deno.test("findTask() knows datasets, versions and environments", () => {
  const names = {
    "hopper": "hopper",
    "hopper-medium-expert-v2": "hopper",
    "halfcheetah-medium-replay-local": "halfcheetah",
    "antmaze-umaze-diverse-v0": "antmaze-umaze-v0",
    "antmaze-large-play-v2": "antmaze-large-v2",
    "maze2d-medium-dense-v1": "maze2d-medium-dense-v1",
    "maze2d-umaze-local": "maze2d-umaze-v1",
  };
  for (const [id, name] of Object.entries(names)) assertEquals(findTask(id).name, name);
  assertThrows(() => findTask("walker-medium-v2"), RangeError, 'did you mean "walker2d"?');
});
