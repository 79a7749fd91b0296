import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ndarray } from "../../algorithms/core/compile.ts";
import { createEnvironment, evaluatePolicy, hopper, normalizedScore } from "../../environments/mod.ts";
import golden from "../golden/hopper_transitions.json" with { type: "json" };

// Medians: d4rl records are float32. The v4 records are written with nine digits, which bounds what they can show.
const tolerance = { d4rl: 1e-6, v4: 2e-8 };

for (const physics of ["d4rl", "v4"] as const) {
  Deno.test(`hopper in ${physics} physics reproduces steps recorded in that MuJoCo`, async () => {
    using env = await createEnvironment(hopper, physics);
    const errors = golden[physics].map(({ observation, action, reward, nextObservation }) => {
      env.setState([0, ...observation.slice(0, 5)], observation.slice(5));
      const step = env.step(action);
      // The recorder charged the action as it came; D4RL's wrapper, like ours, clips it first.
      const excess = action.reduce((sum, a) => sum + a * a - Math.min(Math.max(a, -1), 1) ** 2, 0);
      assertAlmostEquals(step.reward - 1e-3 * excess, reward, 2e-4); // float32 positions over 8 ms
      return Math.max(...nextObservation.map((x, i) => Math.abs(x - step.observation[i])));
    }).sort((a, b) => a - b);
    const median = errors[errors.length / 2];
    console.log(`      median ${median.toExponential(1)}, largest ${errors.at(-1)!.toExponential(1)}`);
    assert(median <= tolerance[physics], `median error ${median}`);
    assert(errors.at(-1)! <= 10 * tolerance[physics], `largest error ${errors.at(-1)}`);
  });
}

Deno.test("hopper's other physics do not reproduce D4RL's records", async () => {
  for (const physics of ["v4", "stock"] as const) {
    using env = await createEnvironment(hopper, physics);
    const errors = golden.d4rl.map(({ observation, action, nextObservation }) => {
      env.setState([0, ...observation.slice(0, 5)], observation.slice(5));
      const step = env.step(action);
      return Math.max(...nextObservation.map((x, i) => Math.abs(x - step.observation[i])));
    }).sort((a, b) => a - b);
    assert(errors[errors.length / 2] > 1e-3);
  }
});

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
  assertThrows(() => env.step([NaN, 0, 0]), RangeError, "action 0 must be a number, current value is NaN");
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

Deno.test("evaluatePolicy() sums each episode's rewards until its end", async () => {
  using one = await createEnvironment(hopper, "d4rl");
  using two = await createEnvironment(hopper, "d4rl");
  const still = (n: number) => Promise.resolve(ndarray(new Float32Array(3 * n), [n, 3]));
  const episodes = await evaluatePolicy([one, two], ({ shape }) => still(shape[0]));
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
  assertThrows(() => normalizedScore("chess-v0", 1), RangeError, "family must be one of halfcheetah, hopper");
});
