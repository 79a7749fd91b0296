import { assertAlmostEquals, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { createRng } from "../../algorithms/core/rng.ts";
import { anglesOf, createEnvironment, type Environment, findTask, quaternionOf } from "../../environments/mod.ts";
import type { AnyAlgorithm } from "../../algorithms/core/agent.ts";
import { dtql } from "../../algorithms/dtql/mod.ts";
import { readModelFiles } from "../../environments/model_files.ts";
import { createPlayers } from "../../environments/play.ts";

// D4RL's own models are not ours to ship: these have their names, joints, actuators and file layout, and plain shapes.

const fingers = ["WRJ1", "WRJ0", ...["FF", "MF", "RF"].flatMap((f) => [3, 2, 1, 0].map((i) => `${f}J${i}`))];
const hand = [...fingers, ...["LF", "TH"].flatMap((f) => [4, 3, 2, 1, 0].map((i) => `${f}J${i}`))];
const arms = {
  pen: [],
  hammer: ["ARRx", "ARRy"],
  door: ["ARTz", "ARRx", "ARRy", "ARRz"],
  relocate: ["ARTx", "ARTy", "ARTz", "ARRx", "ARRy", "ARRz"],
};
const site = (name: string, pos: string) => `<site name="${name}" pos="${pos}"/>`;
const six = ["Tx", "Ty", "Tz", "Rx", "Ry", "Rz"].map((name, i) =>
  `<joint name="OBJ${name}" type="${i < 3 ? "slide" : "hinge"}" axis="${
    [0, 1, 2].map((k) => k === i % 3 ? 1 : 0).join(" ")
  }"/>`
).join("");
const ball = '<geom class="plain" size="0.02" mass="1"/>';
const objects = {
  pen: `<body name="Object" pos="0 0 0.2">${six}${ball}${site("object_top", "0 0 0.1")}${
    site("object_bottom", "0 0 -0.1")
  }</body><body name="target" pos="1 0 0.2">${site("target_top", "0 0 0.1")}${
    site("target_bottom", "0 0 -0.1")
  }</body>${site("eps_ball", "0 0 0.25")}`,
  hammer:
    `<body name="nail_board" pos="0.1 0.2 0.15"><body name="nail"><joint name="nail_dir" type="slide" axis="0 1 0"/>${ball}${
      site("S_target", "0 0 0")
    }<site name="S_nail" type="sphere" size="0.02"/></body>${
      site("nail_goal", "0 0.015 0")
    }</body><body name="Object" pos="0.3 0 0.05">${six}${ball}${site("tool", "0 0.2 0.01")}</body>`,
  door: `<body name="frame" pos="0.2 0.3 0.3"><body><joint name="door_hinge" axis="0 0 1"/>${ball}<body pos="0.3 0 0">
    <joint name="latch" axis="0 1 0"/>${ball}${site("S_handle", "0 0 0")}</body></body></body>`,
  relocate: `<body name="Object" pos="0 0 0.035">${six}${ball}</body>${site("target", "0 0 0.2")}`,
};

/** A tetrahedron, as a binary STL file. */
function tetrahedron(): Uint8Array {
  const corners = [[0, 0, 0], [0.01, 0, 0], [0, 0.01, 0], [0, 0, 0.01]];
  const faces = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]];
  const view = new DataView(new ArrayBuffer(84 + 50 * faces.length));
  view.setUint32(80, faces.length, true);
  faces.forEach((face, i) =>
    face.forEach((c, j) => corners[c].forEach((x, k) => view.setFloat32(84 + 50 * i + 12 + 12 * j + 4 * k, x, true)))
  );
  return new Uint8Array(view.buffer);
}

function handXml(task: keyof typeof arms): string {
  const names = [...arms[task], ...hand];
  const chain = names.reduceRight((inner, name, i) => {
    const shape = i === 3 ? '<geom type="mesh" mesh="part"/>' : '<geom class="plain" size="0.01" mass="1"/>';
    return `<body><joint name="${name}" axis="0 0 1" armature="1"/>${shape}${inner}</body>`;
  }, site("S_grasp", "0 0 0.3"));
  const actuators = names.map((name) =>
    `<general name="A_${name}" joint="${name}" ctrlrange="-1 2" biastype="affine"/>`
  );
  return `<mujoco model="${task}">
  <compiler meshdir="../meshes" angle="radian" autolimits="true"/>
  <option timestep="0.002" apirate="200" gravity="0 0 0"><flag contact="disable"/></option>
  <include file="../shared/defaults.xml"/>
  <asset><mesh name="part" file="part.stl"/></asset>
  <worldbody>${chain}${objects[task]}</worldbody>
  <actuator>${actuators.join("")}</actuator>
  ${task === "hammer" ? '<sensor><touch name="S_nail" site="S_nail"/></sensor>' : ""}
</mujoco>`;
}

const pose = Array.from({ length: 30 }, (_, i) => i === 0 ? 5 : 0.6 + i / 100);
function kitchenXml(): string {
  const chain = (count: number, first: number) =>
    Array.from({ length: count }, (_, i) => first + i).reduceRight(
      (inner, i) => `<body><joint name="j${i}" axis="0 0 1"/><geom size="0.01" mass="1"/>${inner}</body>`,
      "",
    );
  const actuators = Array.from({ length: 9 }, (_, i) => `<position joint="j${i}" kp="50"/>`);
  return `<mujoco><option timestep="0.002" gravity="0 0 0"><flag contact="disable"/></option>
  <default><joint damping="5"/></default>
  <worldbody>${chain(9, 0)}${chain(21, 9)}</worldbody><actuator>${actuators.join("")}</actuator></mujoco>`;
}
const configXml = `<config name='Franka'>${
  pose.map((_, i) =>
    `<qpos${i} mj_dof='${i}' pos_bound='-3 3' vel_bound='-1 1.5' pos_noise_amp='0.2' vel_noise_amp='0.1'/>`
  )
    .join("\n")
}</config>`;

const files: Record<string, string | Uint8Array> = {
  ...Object.fromEntries(
    Object.keys(arms).map((task) => [`hands/assets/DAPG_${task}.xml`, handXml(task as keyof typeof arms)]),
  ),
  "hands/shared/defaults.xml":
    '<mujocoinclude><!-- <default class="old"> --><default class="plain"><geom margin="0.01"/></default></mujocoinclude>',
  "hands/meshes/part.stl": tetrahedron(),
  "kitchen/assets/franka_kitchen_jntpos_act_ab.xml": kitchenXml(),
  "kitchen/robot/franka_config.xml": configXml,
  "kitchen/kitchen_multitask_v0.py": `
        # self.init_qpos = np.array([1, 2])
        self.init_qpos = np.array([ ${pose.join(",\n ")}])\n`,
};

/** Runs with `D4RL_MODELS_DIR` at a folder of these files, some of them changed. */
async function withModels(changes: Record<string, string | undefined>, run: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  const before = Deno.env.get("D4RL_MODELS_DIR");
  try {
    for (const [path, content] of Object.entries({ ...files, ...changes })) {
      if (content === undefined) continue;
      await Deno.mkdir(`${folder}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
      await Deno.writeFile(
        `${folder}/${path}`,
        typeof content === "string" ? new TextEncoder().encode(content) : content,
      );
    }
    Deno.env.set("D4RL_MODELS_DIR", folder);
    await run(folder);
  } finally {
    if (before === undefined) Deno.env.delete("D4RL_MODELS_DIR");
    else Deno.env.set("D4RL_MODELS_DIR", before);
    await Deno.remove(folder, { recursive: true });
  }
}

const state = (env: Environment, changes: Record<number, number> = {}) =>
  Object.entries(changes).reduce((qpos, [i, x]) => {
    const at = Number(i);
    return qpos.with(at < 0 ? qpos.length + at : at, x);
  }, new Float64Array(env.qpos.length));
const still = (env: Environment) => new Float64Array(env.actionSpace.shape[0]).fill(-1 / 3); // Control 0 in [-1, 2].
const last = (values: Float64Array, n: number) => [...values.subarray(-n)];

function assertClose(actual: readonly number[], expected: readonly number[], tolerance = 1e-9) {
  assertEquals(actual.length, expected.length);
  actual.forEach((x, i) => assertAlmostEquals(x, expected[i], tolerance));
}

Deno.test("Adroit's tasks play from files with D4RL's names, which are mended and mounted with what they include", async () => {
  await withModels({}, async () => {
    const dims = {
      "pen-human-v1": [45, 24, 100],
      "hammer-cloned-v1": [46, 26, 200],
      "door-expert-v1": [39, 28, 200],
      "relocate-human-v0": [39, 30, 200],
      "pen-human-longhorizon-v1": [45, 24, 200],
      "hammer-human-longhorizon-v1": [46, 26, 600],
      "door-human-longhorizon-v0": [39, 28, 300],
      "relocate-human-longhorizon-v1": [39, 30, 500],
    };
    for (const [id, expected] of Object.entries(dims)) {
      using env = await createEnvironment(findTask(id));
      assertEquals([env.observationSpace.shape[0], env.actionSpace.shape[0], env.maxEpisodeSteps], expected);
      const [a, b, c] = [7, 7, 8].map((seed) => env.reset(seed).slice());
      assertEquals(a, b);
      assertEquals(a.some((x, i) => x !== c[i]), true); // Every task draws something.
      env.reset(7);
      const { observation, reward } = env.step(new Float64Array(expected[1]).fill(0.5));
      assertEquals([reward, ...observation].every(Number.isFinite), true);
    }
  });
});

Deno.test("an Adroit action is a position between its actuator's bounds, at D4RL's gains", async () => {
  await withModels({}, async () => {
    using env = await createEnvironment(findTask("pen"));
    env.setState(state(env), new Float64Array(30));
    env.step(still(env));
    assertClose([...env.qvel], new Array(30).fill(0));
    const speed = (joint: number, action: number) => {
      env.setState(state(env), new Float64Array(30));
      env.step(still(env).with(joint, action));
      return env.qvel[joint];
    };
    // Forces on an inertia of 1 (the armature) for 0.01 s: 10 (2 - 0) in the wrist, 1 (2 - 0) in a finger, at the lower end half.
    assertAlmostEquals(speed(0, 1), 0.2, 0.01);
    assertAlmostEquals(speed(1, 1), 0.2, 0.01);
    assertAlmostEquals(speed(2, 1), 0.02, 0.001);
    assertAlmostEquals(speed(23, -1), -0.01, 0.001);
  });
});

Deno.test("pen is rewarded for its direction and place, and ends when dropped", async () => {
  await withModels({}, async () => {
    using env = await createEnvironment(findTask("pen"));
    env.setState(state(env), new Float64Array(30)); // Upright like its target, 0.05 below where it should be.
    const { observation, reward, terminated } = env.step(still(env));
    assertAlmostEquals(reward, 1 - 0.05 + 10 + 50, 1e-9);
    assertEquals(terminated, false);
    assertClose(last(observation, 21), [0, 0, 0.2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, -0.05, 0, 0, 0]);
    env.setState(state(env, { 27: 0.5 }), new Float64Array(30)); // Half a radian about x: cos 0.5 = 0.88.
    assertAlmostEquals(env.step(still(env)).reward, Math.cos(0.5) - 0.05, 1e-9);
    env.setState(state(env, { 27: 0.4 }), new Float64Array(30));
    assertAlmostEquals(env.step(still(env)).reward, Math.cos(0.4) - 0.05 + 10, 1e-9);
    env.setState(state(env, { 26: -0.15 }), new Float64Array(30));
    const fallen = env.step(still(env));
    assertAlmostEquals(fallen.reward, 1 - 0.2 - 5, 1e-9);
    assertEquals(fallen.terminated, true);
  });
});

Deno.test("hammer is rewarded for the nail, the hammer's lift, and little effort", async () => {
  await withModels({}, async () => {
    using env = await createEnvironment(findTask("hammer"));
    env.setState(state(env), new Float64Array(33));
    const { observation, reward } = env.step(still(env));
    const [palm, object, tool, nail] = [[0, 0, 0.3], [0.3, 0, 0.05], [0.3, 0.2, 0.06], [0.1, 0.2, 0.15]];
    const far = (a: number[], b: number[]) => Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0));
    const effort = 0.1 * far(palm, object) + far(tool, nail) + 10 * 0.015;
    assertAlmostEquals(reward, 2 + 25 - effort, 1e-9); // Lifted, and the nail 15 mm out.
    assertClose(last(observation, 13), [...palm, ...object, 0, 0, 0, ...nail, 0]);
    env.setState(state(env, { 26: 0.01, [-4]: -0.02, [-1]: 0.3 }), new Float64Array(33).with(32, 2));
    const driven = env.step(still(env)); // 5 mm out; the hammer lies, turned and turning.
    assertAlmostEquals(driven.reward, 25 + 75 - 0.02, 1); // Nothing for the lift.
    assertAlmostEquals(driven.observation[32], 1); // Speeds are clipped to 1.
    assertAlmostEquals(driven.observation[41], 0.3 + 2 * 0.008, 1e-3); // Its angle about z, at the start of the last step.
  });
});

Deno.test("door is rewarded for its angle at D4RL's three thresholds", async () => {
  await withModels({}, async () => {
    using env = await createEnvironment(findTask("door"));
    for (const [angle, bonus, open] of [[0.1, 0, -1], [0.5, 2, -1], [1.1, 10, 1], [1.4, 20, 1]]) {
      env.setState(state(env, { 28: angle, 29: 0.05 }), new Float64Array(30));
      const { observation, reward } = env.step(still(env));
      const handle = [0.2 + 0.3 * Math.cos(angle), 0.3 + 0.3 * Math.sin(angle), 0.3];
      const off = [-handle[0], -handle[1], 0];
      assertAlmostEquals(reward, bonus - 0.1 * Math.hypot(...off) - 0.1 * (angle - 1.57) ** 2, 1e-9);
      assertClose(last(observation, 12), [0.05, angle, 0, 0, 0.3, ...handle, ...off, open]);
    }
    const starts = Array.from({ length: 50 }, (_, seed) => last(env.reset(seed), 7));
    for (const [x, y, z] of starts) { // The handle is 0.3 beside the frame.
      assertEquals(x >= 0 && x <= 0.1 && y >= 0.25 && y <= 0.35 && z >= 0.252 && z <= 0.35, true);
    }
  });
});

Deno.test("relocate is rewarded for the lift and for nearing the target", async () => {
  await withModels({}, async () => {
    using env = await createEnvironment(findTask("relocate"));
    for (const [lift, bonus] of [[0, 0], [0.1, 11 - 0.5 * 0.1 - 0.5 * 0.065], [0.13, 31 - 0.5 * 0.1 - 0.5 * 0.035]]) {
      env.setState(state(env, { [-4]: lift }), new Float64Array(36));
      const { observation, reward } = env.step(still(env));
      assertAlmostEquals(reward, bonus - 0.1 * (0.3 - 0.035 - lift), 1e-9);
      assertClose(last(observation, 9), [0, 0, 0.265 - lift, 0, 0, 0.1, 0, 0, lift - 0.165]);
    }
  });
});

Deno.test("what a reset of an Adroit task draws can be read and written by D4RL's names", async () => {
  await withModels({}, async () => {
    const names = {
      pen: { desired_orien: 4 },
      hammer: { board_pos: 3 },
      door: { door_body_pos: 3 },
      relocate: { obj_pos: 3, target_pos: 3 },
    };
    for (const [id, lengths] of Object.entries(names)) {
      using env = await createEnvironment(findTask(id));
      const drawn = (seed: number) => {
        env.reset(seed);
        return Object.fromEntries(Object.entries(env.placement).map(([name, values]) => [name, [...values]]));
      };
      const [first, second] = [drawn(1), drawn(2)];
      assertEquals(Object.fromEntries(Object.entries(first).map(([name, values]) => [name, values.length])), lengths);
      assertEquals(drawn(1), first);
      for (const name of Object.keys(lengths)) assertNotEquals(first[name], second[name]);
    }
    using door = await createEnvironment(findTask("door"));
    door.placement.door_body_pos.set([0.1, 0.2, 0.3]);
    assertClose(last(door.setState(state(door), new Float64Array(30)), 7).slice(0, 3), [0.4, 0.2, 0.3]); // The handle.
    using hopper = await createEnvironment(findTask("hopper"));
    assertEquals(hopper.placement, {});
  });
});

Deno.test("readModelFiles() takes what a model names, by one reading, and no pictures", async () => {
  const text = `${handXml("pen")}<!-- <include file="old.xml"/> -->`.replace(
    "<asset>",
    '<asset><texture name="seen" type="2d" file="seen.png"/>',
  );
  const more = {
    "hands/assets/DAPG_pen.xml": text,
    "hands/assets/old.xml": "<mujocoinclude/>",
    "hands/meshes/other.stl": "",
    "hands/meshes/seen.png": "no picture",
  };
  await withModels(more, async (folder) => {
    const [files, again] = await Promise.all([1, 2].map(() => readModelFiles("pen", "DAPG_pen.xml")));
    assertEquals(files, again);
    assertEquals([files.origin, files.main], [folder, "hands/assets/DAPG_pen.xml"]);
    assertEquals([...files.texts.keys()].sort(), ["hands/assets/DAPG_pen.xml", "hands/shared/defaults.xml"]);
    assertEquals(files.binaries, ["hands/meshes/part.stl"]);
    (await createEnvironment(findTask("pen")))[Symbol.dispose]();
  });
});

Deno.test("anglesOf() undoes quaternionOf()", () => {
  for (const angles of [[0.3, -0.7, 0.2], [-1, 1, 0], [0, 0, 2]] as const) {
    const quaternion = quaternionOf(angles);
    assertAlmostEquals(Math.hypot(...quaternion), 1, 1e-12);
    assertClose(anglesOf(quaternion), angles, 1e-12);
  }
  assertClose(anglesOf(quaternionOf([0, Math.PI / 2, 0.4])).slice(1, 2), [Math.PI / 2], 1e-6);
});

Deno.test("contact margins of model files are as MuJoCo took them before 3.5, but in stock physics", async () => {
  const model = handXml("relocate").replace('<flag contact="disable"/>', "").replace(
    "</worldbody>",
    '<geom class="plain" size="0.02" pos="0.055 0 0.035"/></worldbody>', // 15 mm from the ball: within the sum of the margins.
  ).replace("<include", '<size nconmax="100"/><include').replaceAll(
    'size="0.01"',
    'size="0.01" contype="0" conaffinity="0"',
  )
    .replace('mesh="part"', 'mesh="part" contype="0" conaffinity="0"').replace('<size nconmax="100"/>', "");
  await withModels({ "hands/assets/DAPG_relocate.xml": model }, async () => {
    for (const physics of ["d4rl", "stock"] as const) {
      using env = await createEnvironment(findTask("relocate"), physics);
      env.setState(state(env), new Float64Array(36));
      env.step(still(env));
      assertEquals(env.qvel.at(-6) !== 0, physics === "stock");
    }
  });
});

Deno.test("kitchen's action is a velocity from the noisy observation on, within the robot's bounds", async () => {
  await withModels({}, async () => {
    using env = await createEnvironment(findTask("kitchen-mixed-v0"));
    assertEquals([env.observationSpace.shape[0], env.actionSpace.shape[0], env.maxEpisodeSteps], [60, 9, 280]);
    const first = env.reset(1).slice();
    assertClose([...env.qpos], pose); // As it is: the bounds are those of controls.
    const noise = [...first.subarray(0, 30)].map((x, i) => x - env.qpos[i]);
    assertEquals(noise.every((x) => Math.abs(x) <= 0.02), true);
    assertEquals(new Set(noise).size, 30);
    assertEquals([...first.subarray(41, 43)], [-0.88, -0.01]); // The goal's bottom burner.
    assertEquals(first[49], 0); // The slide cabinet is not in this task.
    const seen = first[1];
    env.step(new Float64Array(9).with(1, 1).with(2, -1));
    // Servos of 50 with a damping of 5 are on their way: the second joint up by at most 1.5 rad/s of 0.08 s, the third down by 1.
    assertEquals(env.qpos[1] > pose[1] && env.qpos[1] < seen + 1.5 * 0.08 + 1e-9, true);
    assertEquals(env.qpos[2] < pose[2], true);
  });
});

Deno.test("kitchen rewards each thing once, and ends when all are done", async () => {
  await withModels({
    "kitchen/robot/franka_config.xml": configXml.replaceAll("pos_noise_amp='0.2'", "pos_noise_amp='0'"),
  }, async () => {
    using env = await createEnvironment(findTask("kitchen-complete-v0"));
    using other = await createEnvironment(findTask("kitchen-complete-v0"));
    env.reset(0);
    other.reset(0);
    const hold = new Float64Array(9);
    assertEquals(env.step(hold).reward, 0);
    const change = (env: Environment, changes: Record<number, number>) => {
      for (const [i, x] of Object.entries(changes)) env.qpos[Number(i)] = x;
      return env.step(hold);
    };
    assertEquals(change(env, { 22: -0.6 }).reward, 1); // Microwave: 0.15 from -0.75.
    assertEquals(change(env, { 22: -0.75 }).reward, 0); // Once.
    assertEquals(change(other, { 22: -0.75 }).reward, 1); // Another environment keeps its own account.
    assertEquals(change(env, { 17: -0.69, 18: -0.05, 19: 0.37 }).reward, 2);
    const kettle = { 23: -0.23, 24: 0.75, 25: 1.62, 26: 0.99, 27: 0, 28: 0, 29: -0.06 };
    const end = change(env, kettle);
    assertEquals([end.reward, end.terminated], [1, true]);
    env.reset(1);
    assertEquals(change(env, { 22: -0.75 }).reward, 1);
  });
});

Deno.test("tasks with model files are evaluated as all others, the same by any number of workers", async () => {
  await withModels({}, async () => {
    const config = { ...dtql.defaults, hidden: 16, diffusionHidden: 16 };
    const tasks = [["pen-human-v1", 45, 24, 6], ["kitchen-partial-v0", 60, 9, 1]] as const;
    for (const [task, observationDim, actionDim, count] of tasks) {
      const spec = { observationDim, actionDim, maxAction: 1 };
      const state = dtql.create(config, spec).init(createRng(task));
      const own = { module: dtql.module, name: "dtql", config, spec, state, seed: "one" };
      const job = { ...own, backend: "onnx", task, physics: "d4rl", episodes: count, candidates: 1 } as const;
      const play = async (workers: number) => {
        using players = createPlayers(workers);
        return await players.play(job, dtql as unknown as AnyAlgorithm);
      };
      const episodes = await play(2);
      assertEquals(episodes.length, count);
      assertEquals(episodes.every(({ episodeReturn, length }) => Number.isFinite(episodeReturn) && length > 0), true);
      assertEquals(await play(1), episodes);
    }
  });
});

Deno.test("tasks with model files say what is missing, and where it comes from", async () => {
  await withModels({}, () => {
    Deno.env.delete("D4RL_MODELS_DIR");
    const wanted = "set D4RL_MODELS_DIR to a checkout of github.com/Farama-Foundation/D4RL";
    assertThrows(() => findTask("kitchen-mixed-v0"), RangeError, wanted);
    assertThrows(() => findTask("pen-human-v1"), RangeError, "its reference scores need no such files");
    return Promise.resolve();
  });
  const create = (id: string) => createEnvironment(findTask(id));
  await withModels(
    { "hands/assets/DAPG_pen.xml": undefined, "hands/assets/dapg_PEN.xml": handXml("pen") },
    async () => {
      (await create("pen"))[Symbol.dispose](); // Checkouts differ in case.
    },
  );
  const cases: [Record<string, string | undefined>, string, string][] = [
    [{ "hands/assets/DAPG_door.xml": undefined }, "door", "there is no DAPG_door.xml below"],
    [{ "hands/shared/defaults.xml": undefined }, "door", "MuJoCo refused its model (hands/assets/DAPG_door.xml in"],
    [{ "hands/assets/DAPG_door.xml": "<mujoco><worldbody>" }, "door", "MuJoCo refused its model"],
    [
      { "hands/assets/DAPG_door.xml": "<mujoco><worldbody/></mujoco>" },
      "door",
      'its model has no actuator "A_WRJ1"; is it D4RL\'s own?',
    ],
    [{ "kitchen/robot/franka_config.xml": undefined }, "kitchen-mixed", "there is no franka_config.xml below"],
    [
      { "kitchen/robot/franka_config.xml": configXml.replace("vel_bound='-1 1.5'", "vel_bound='-1'") },
      "kitchen-mixed",
      "2 numbers in vel_bound of qpos0",
    ],
    [
      { "kitchen/kitchen_multitask_v0.py": "init_qpos = np.array([1, 2])" },
      "kitchen-mixed",
      "must set init_qpos to 30 numbers",
    ],
  ];
  for (const [changes, id, message] of cases) {
    await withModels(changes, async () => void await assertRejects(() => create(id), Error, message));
  }
  await withModels({}, async (folder) => {
    Deno.env.set("D4RL_MODELS_DIR", `${folder}/nothing`);
    await assertRejects(() => create("pen"), Error, "D4RL_MODELS_DIR must name a folder");
  });
});
