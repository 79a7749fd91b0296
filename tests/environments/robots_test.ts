import { assert, assertAlmostEquals } from "@std/assert";
import loadMujoco from "@mujoco/mujoco";
import {
  ant,
  createEnvironment,
  halfCheetah,
  hopper,
  type Physics,
  type TaskDefinition,
  tasks,
  walker2d,
} from "../../environments/mod.ts";
import exactGolden from "../golden/mujoco_2.2.2_steps.json" with { type: "json" };
import golden from "../golden/mujoco_transitions.json" with { type: "json" };

/** A robot, its coordinates that the records lack, and its reward's cost per squared action. */
const robots: Record<string, [task: TaskDefinition, hidden: number, cost: number]> = {
  Hopper: [hopper, 1, 1e-3],
  HalfCheetah: [halfCheetah, 1, 0.1],
  Walker2d: [walker2d, 1, 1e-3],
  Ant: [ant, 2, 0.5],
};

interface Record_ {
  observation: number[];
  action: number[];
  reward: number;
  nextObservation: number[];
}
const recordsOf = (physics: "d4rl" | "v4", name: string) =>
  (golden[physics] as unknown as Record<string, { transitions: Record_[] }>)[name].transitions;

/** Errors of one step from each recorded state, sorted: of the observation, and of the reward. */
async function errors(name: string, physics: Physics, records: Record_[]) {
  const [task, hidden, cost] = robots[name];
  using env = await createEnvironment(task, physics);
  const known = env.qpos.length - hidden;
  const [ofObservation, ofReward]: number[][] = [[], []];
  for (const { observation, action, reward, nextObservation } of records) {
    env.setState([...Array(hidden).fill(0), ...observation.slice(0, known)], observation.slice(known));
    const step = env.step(action);
    ofObservation.push(Math.max(...nextObservation.map((x, i) => Math.abs(x - step.observation[i]))));
    // The recorder charged the action as it came; D4RL's wrapper, like ours, clips it first.
    const excess = action.reduce((sum, a) => sum + a * a - Math.min(Math.max(a, -1), 1) ** 2, 0);
    ofReward.push(Math.abs(step.reward - cost * excess - reward));
  }
  return { ofObservation: ofObservation.sort((a, b) => a - b), ofReward: ofReward.sort((a, b) => a - b) };
}

const median = (sorted: number[]) => sorted[Math.floor((sorted.length - 1) / 2)];

// Medians: d4rl records are float32. The v4 records are written with nine digits, which bounds what they can show.
const tolerance = { d4rl: 1e-6, v4: 5e-8 };

for (const name of Object.keys(robots)) {
  for (const physics of ["d4rl", "v4"] as const) {
    Deno.test(`${name} in ${physics} physics reproduces steps recorded in that MuJoCo`, async () => {
      const { ofObservation, ofReward } = await errors(name, physics, recordsOf(physics, name));
      const [middle, largest] = [median(ofObservation), ofObservation.at(-1)!];
      console.log(`      median ${middle.toExponential(1)}, largest ${largest.toExponential(1)}`);
      assert(middle <= tolerance[physics], `median error ${middle}`);
      // Ant's reward reads the torso's position from before the state was set, which the records do not have.
      assert(median(ofReward) <= (name === "Ant" ? 2e-3 : 2e-7), `median reward error ${median(ofReward)}`);
    });
  }

  Deno.test(`${name} in v4 physics is MuJoCo 2.2.2's to 1e-12, coordinate by coordinate`, async () => {
    const episodes = exactGolden.episodes[name as keyof typeof exactGolden.episodes];
    using env = await createEnvironment(robots[name][0], "v4");
    const found: number[] = [];
    for (const { qpos, qvel, steps } of episodes) {
      env.setState(qpos, qvel);
      for (const { action, qpos, qvel } of steps) {
        env.step(action);
        const differences = [qpos.map((x, i) => x - env.qpos[i]), qvel.map((x, i) => x - env.qvel[i])].flat();
        found.push(Math.max(...differences.map(Math.abs)));
      }
    }
    found.sort((a, b) => a - b);
    console.log(`      median ${median(found).toExponential(1)}, largest ${found.at(-1)!.toExponential(1)}`);
    assert(median(found) <= 1e-12 && found.at(-1)! <= 1e-10, `${found}`);
  });

  Deno.test(`${name} in other physics does not reproduce D4RL's records`, async () => {
    for (const physics of ["v4", "stock"] as const) {
      assert(median((await errors(name, physics, recordsOf("d4rl", name))).ofObservation) > 1e-3);
    }
  });
}

Deno.test("robots weigh what they did in each MuJoCo", async () => {
  const mujoco = await loadMujoco();
  // Kilograms, before MuJoCo 2.1.1 and since; HalfCheetah's total is set, its distribution differs.
  const masses = { Hopper: [15.265, 15.820], HalfCheetah: [14, 14], Walker2d: [22.698, 23.677], Ant: [0.8787, 0.9109] };
  for (const [name, wanted] of Object.entries(masses)) {
    const [task] = robots[name];
    const bodies = (["d4rl", "v4"] as const).map((physics) => {
      const model = mujoco.MjModel.from_xml_string(task.xml(physics))!;
      const [mass, inertia] = [model.body_mass, model.body_inertia].map((view) => Array.from(view as Float64Array));
      model.delete();
      return { mass, inertia };
    });
    bodies.forEach(({ mass }, i) => {
      const total = mass.reduce((a, b) => a + b);
      assertAlmostEquals(total, wanted[i], 5e-4 * wanted[i]);
    });
    const row = (values: number[]) => values.map((x) => x.toPrecision(4).padStart(10)).join("");
    console.log(`      ${name}, d4rl and v4: mass, then the largest principal inertia, per body`);
    for (const { mass, inertia } of bodies) {
      console.log(
        `      ${row(mass.slice(1))}\n      ${
          row(mass.slice(1).map((_, b) => Math.max(...inertia.slice(3 * b + 3, 3 * b + 6))))
        }`,
      );
    }
  }
});

Deno.test("a start's quaternion has length 1, as MuJoCo made it before, but in stock physics", async () => {
  for (const [task, first] of [[ant, 1], [tasks["antmaze-umaze-v2"], 3]] as const) {
    for (const physics of ["d4rl", "v4", "stock"] as const) {
      using env = await createEnvironment(task, physics);
      const lengths = Array.from(
        { length: 20 },
        (_, seed) => Math.hypot(...env.reset(seed).subarray(first, first + 4)),
      );
      const off = Math.max(...lengths.map((length) => Math.abs(length - 1)));
      assert(physics === "stock" ? off > 1e-2 : off < 1e-12, `${physics}: ${off}`);
    }
  }
});
