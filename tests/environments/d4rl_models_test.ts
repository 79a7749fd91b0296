/**
 * What D4RL's own model files show, where `D4RL_MODELS_DIR` names a folder of them.
 *
 * @module
 */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { collidablePairs } from "../../environments/contacts.ts";
import { createEnvironment, fileTasks, findTask, normalizedScore, type Physics } from "../../environments/mod.ts";
import { loadModel, startMujoco } from "../../environments/model.ts";
import { modelsFolder } from "../../environments/model_files.ts";
import policies from "../golden/dapg_policies.json" with { type: "json" };
import golden from "../golden/d4rl_models.json" with { type: "json" };

const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore: !modelsFolder(), fn });
const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
const apart = (a: ArrayLike<number>, b: ArrayLike<number>) => Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i])));
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

// The first of these tests, so that nothing is loaded yet.
test("five tasks take less than 300 MB together, however many environments", async () => {
  const before = Deno.memoryUsage().rss;
  const made = [];
  for (const id of ["pen", "hammer", "door", "relocate", "kitchen-mixed"]) {
    for (let i = 0; i < 3; i++) made.push(await createEnvironment(findTask(id)));
  }
  const took = (Deno.memoryUsage().rss - before) / 1e6;
  for (const env of made) env[Symbol.dispose]();
  console.log(`      ${took.toFixed(0)} MB`);
  assert(took < 300, `${took} MB`);
});

/** Plays a demonstration's actions from its start: errors of its observations, and of its return. */
async function replay(demonstration: typeof golden.door.demonstrations[number], physics: Physics) {
  const { doorBodyPos, qpos, qvel, actions, rewards, observations } = demonstration;
  using env = await createEnvironment(findTask("door"), physics);
  env.placement.door_body_pos.set(doorBodyPos);
  let observation = env.setState(qpos, qvel);
  let total = 0;
  const errors: number[] = [];
  actions.forEach((action, t) => {
    const recorded = observations[`${t}` as keyof typeof observations];
    if (recorded) errors.push(apart(recorded, observation));
    const result = env.step(action);
    observation = result.observation;
    total += result.reward;
  });
  return { errors, difference: Math.abs(total - sum(rewards)) };
}

test("door demonstrations recorded in the MuJoCo of their time replay to 1e-5, through grasp and turn, and earn their returns", async () => {
  for (const demonstration of golden.door.demonstrations) {
    const { errors, difference } = await replay(demonstration, "d4rl");
    console.log(
      `      trajectory ${demonstration.trajectory}: observations ${median(errors).toExponential(1)} (median) ` +
        `${Math.max(...errors).toExponential(1)} (largest), return ${difference.toExponential(1)}`,
    );
    assert(median(errors) < 1e-5 && Math.max(...errors.slice(0, 7)) < 2e-5, `${errors}`); // 150 steps; then chance grows.
    assert(difference < 1e-3, `return is off by ${difference}`);
    const today = await replay(demonstration, "stock");
    assert(median(today.errors) > 1e-3, `${today.errors}`);
  }
});

test("kitchen's steps are those of MuJoCo 2.2.2, in free motion and in contact", async () => {
  const errors = async (steps: typeof golden.kitchen.free, physics: Physics) => {
    using env = await createEnvironment(findTask("kitchen-mixed-v0"), physics);
    const [robot, kettle]: number[][] = [[], []];
    for (const { qpos, qvel, control, next } of steps) {
      const seen = env.setState(qpos, qvel);
      env.step(control.map((c, i) => (c - seen[i]) / (2 * 0.08))); // The velocity that asks for that control.
      robot.push(apart(next.slice(0, 23), env.qpos));
      kettle.push(apart(next.slice(23), env.qpos.subarray(23)));
    }
    return { robot, kettle };
  };
  const free = await errors(golden.kitchen.free, "d4rl");
  const touching = await errors(golden.kitchen.touching, "d4rl");
  const today = await errors(golden.kitchen.touching, "stock");
  console.log(
    `      free ${median(free.robot).toExponential(1)}, touching ${median(touching.robot).toExponential(1)}, ` +
      `in stock physics ${median(today.robot).toExponential(1)}; the kettle ${median(free.kettle).toExponential(1)}`,
  );
  assert(Math.max(...free.robot) < 1e-8, `${free.robot}`);
  assert(median(touching.robot) < 1e-7, `${touching.robot}`);
  assert(median(today.robot) > 1e-4, `${today.robot}`);
  assert(Math.max(...free.kettle) < 5e-4, `${free.kettle}`); // It stands box on box.
});

test("kitchen starts in D4RL's first pose, in which the kettle stays on the stove", async () => {
  using env = await createEnvironment(findTask("kitchen-complete-v0"));
  const observation = env.reset(0).slice();
  const first = [...env.qpos];
  assertEquals([first[0], first[24], first[25]], [0.148388023, 0.350383255, 1.61944683]);
  // D4RL's quaternion has a length of 1.006, which MuJoCo 2.2.2 makes 1: this is what it has then.
  assertAlmostEquals(
    apart(first.slice(26), [
      0.99997015938881739,
      0.0040388390471705407,
      -0.0065800474318168716,
      -0.00026662117156663924,
    ]),
    0,
    1e-15,
  );
  assert(apart(first, observation.subarray(0, 30)) <= 0.01);
  let [largest, noise] = [0, 0];
  for (let t = 0; t < 10; t++) {
    const seen = env.step(new Float64Array(9)).observation;
    largest = Math.max(largest, apart(first.slice(23, 26), env.qpos.subarray(23, 26)));
    noise = Math.max(noise, apart(first.slice(23, 26), seen.subarray(23, 26)));
  }
  assert(largest < 1e-3, `the kettle moved by ${largest} m`); // It was shot up by 0.17 when the pose was clipped to bounds.
  assert(noise < 2e-3, `the kettle was seen ${noise} m away`);
});

test("every pair of geoms that can touch has the margin that it had before MuJoCo 3.5.0", async () => {
  const mujoco = await startMujoco();
  const listed: Record<string, number> = { pen: 0, hammer: 0, door: 0, relocate: 0, "kitchen-mixed": 36 };
  for (const [name, more] of Object.entries(listed)) {
    const { files } = await fileTasks[name].load();
    const models = await Promise.all((["stock", "d4rl"] as const).map((mode) => loadModel(mujoco, name, files!, mode)));
    const [before, after] = models;
    const pairs = collidablePairs(mujoco, before);
    const [margin, added, pairMargin] = [before.geom_margin, after.geom_margin, after.pair_margin] as Float64Array[];
    const [first, second] = [after.pair_geom1, after.pair_geom2] as Int32Array[];
    assertEquals(after.npair - before.npair, more);
    const own = new Map(Array.from(first, (i, k) => [[i, second[k]].sort((a, b) => a - b).join(" "), pairMargin[k]]));
    const unequal = pairs.filter(([i, j]) => margin[i] !== margin[j]).length;
    for (const [i, j] of pairs) {
      assertAlmostEquals(own.get(`${i} ${j}`) ?? added[i] + added[j], Math.max(margin[i], margin[j]), 1e-15);
    }
    console.log(`      ${name}: ${pairs.length} pairs, ${unequal} of unequal margins, ${more} listed one by one`);
    models.forEach((model) => model.delete());
  }
});

test("the authors' expert policies earn D4RL's expert returns, and then some", async () => {
  const half = (text: string) => {
    const view = new DataView(Uint8Array.fromBase64(text).buffer);
    return Float64Array.from({ length: view.byteLength / 2 }, (_, i) => view.getFloat16(2 * i, true));
  };
  const wanted = { pen: [85, 140], hammer: [120, 135], door: [100, 108], relocate: [85, 115] };
  for (const [task, [least, most]] of Object.entries(wanted)) {
    const { layers, inShift, inScale, outShift, outScale } = policies.policies[task as keyof typeof wanted];
    const network = layers.map(([rows, columns, weights, biases]) => ({
      rows: rows as number,
      columns: columns as number,
      weights: half(weights as string),
      biases: half(biases as string),
    }));
    const act = (observation: Float64Array) => {
      let x = observation.map((x, i) => (x - inShift[i]) / (inScale[i] + 1e-8));
      network.forEach(({ rows, columns, weights, biases }, layer) => {
        const y = biases.slice();
        for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) y[r] += weights[columns * r + c] * x[c];
        x = layer === network.length - 1 ? y : y.map(Math.tanh);
      });
      return x.map((x, i) => x * outScale[i] + outShift[i]);
    };
    using env = await createEnvironment(findTask(task));
    const scores = Array.from({ length: 10 }, (_, seed) => {
      let [observation, total] = [env.reset(seed), 0];
      for (;;) {
        const result = env.step(act(observation));
        observation = result.observation;
        total += result.reward;
        if (result.terminated || result.truncated) return normalizedScore(task, total);
      }
    });
    const mean = sum(scores) / scores.length;
    console.log(`      ${task} ${mean.toFixed(1)}: ${scores.map((score) => score.toFixed(0)).join(" ")}`);
    assert(mean > least && mean < most, `${task} scores ${mean}`);
  }
});
