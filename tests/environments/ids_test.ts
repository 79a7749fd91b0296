import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createEnvironment, findTask, normalizedScore, readId, tasks } from "../../environments/mod.ts";

Deno.test("readId() reads D4RL's ids, those of data made here, and Gymnasium's", () => {
  const read = (id: string) => {
    const { family, task, size, data, version, physics } = readId(id);
    return [family, task, size, data, version, physics];
  };
  const d4rl: Record<string, unknown[]> = {
    "hopper": ["hopper", "hopper", null, null, null],
    "hopper-medium-expert-v2": ["hopper", "hopper", null, "medium-expert", "v2"],
    "halfcheetah-full-replay-v1": ["halfcheetah", "halfcheetah", null, "full-replay", "v1"],
    "walker2d-medium-replay-local": ["walker2d", "walker2d", null, "medium-replay", "local"],
    "ant-random-expert-v0": ["ant", "ant", null, "random-expert", "v0"],
    "antmaze-umaze-diverse-v0": ["antmaze", "antmaze-umaze-v0", "umaze", "diverse", "v0"],
    "antmaze-medium-play-v1": ["antmaze", "antmaze-medium-v0", "medium", "play", "v1"],
    "antmaze-large-v2": ["antmaze", "antmaze-large-v2", "large", null, "v2"],
    "maze2d-umaze-local": ["maze2d", "maze2d-umaze-v1", "umaze", null, "local"],
    "maze2d-large-v0": ["maze2d", "maze2d-large-v0", "large", null, "v0"],
    "maze2d-medium-dense-v1": ["maze2d", "maze2d-medium-dense-v1", "medium", null, "v1"],
    "pen-human-v1": ["pen", "pen", null, "human", "v1"],
    "door-v0": ["door", "door", null, null, "v0"],
    "relocate-human-longhorizon-v1": ["relocate", "relocate-longhorizon", null, "human-longhorizon", "v1"],
    "kitchen-mixed-v0": ["kitchen", "kitchen-mixed", null, null, "v0"],
  };
  for (const [id, wanted] of Object.entries(d4rl)) assertEquals(read(id), [...wanted, "d4rl"], id);
  assertEquals(read("Hopper-v4"), ["hopper", "hopper", null, null, "v4", "v4"]);
  assertEquals(read("Walker2d-v2"), ["walker2d", "walker2d", null, null, "v2", "d4rl"]);
  assertEquals(read("HalfCheetah-v5"), ["halfcheetah", "halfcheetah", null, null, "v5", "v4"]);
  assertEquals(read("Ant-v3"), ["ant", "ant", null, null, "v3", "d4rl"]);
  for (const name of Object.keys(tasks)) assertEquals(readId(name).task, name);
});

Deno.test("readId() refuses misspelt ids, and Gymnasium's tasks that are not D4RL's, by name", () => {
  const cases = {
    "walker-medium-v2": 'did you mean "walker2d-medium-v2"?',
    "hopper-medum-v2": 'did you mean "hopper-medium-v2"?',
    "hopper-v4": 'did you mean "Hopper-v4"?',
    "kitchen-mixd-v0": 'did you mean "kitchen-mixed-v0"?',
    "pen-cloned-longhorizon-v1": 'did you mean "pen-human-longhorizon-v1"?',
    "Ant-v4": "observes 27 numbers (v4) or 105 (v5), D4RL's and Gym's older ones 111); \"Ant-v3\" is near",
    "Hopper-v5": 'pays no bonus for the step that falls); "Hopper-v4" is near',
    "Walker2d-v5": "its right foot has another friction",
    "AntMaze_UMaze-v4": '"antmaze-umaze-v2" is near',
    "PointMaze_Medium-v3": '"maze2d-umaze-v1" is near',
    "AdroitHandPen-v1": "200 steps for the pen",
    "FrankaKitchen-v1": '"kitchen-complete-v0" is near',
  };
  for (const [id, why] of Object.entries(cases)) {
    assertThrows(() => readId(id), RangeError, `Cannot read id "${id}"`);
    assertThrows(() => findTask(id), RangeError, why);
  }
});

Deno.test("normalizedScore() is 0 at random and 100 at expert returns, of the version that an id says", () => {
  assertAlmostEquals(normalizedScore("hopper-medium-v2", -20.272305), 0);
  assertAlmostEquals(normalizedScore("Hopper-v4", 3234.3), 100);
  assertAlmostEquals(normalizedScore("walker2d-expert-v2", 4592.3), 100);
  assertAlmostEquals(normalizedScore("maze2d-large-v1", 273.99), 100);
  assertAlmostEquals(normalizedScore("maze2d-large-v0", 191.99), 100);
  assertAlmostEquals(normalizedScore("maze2d-large-dense-local", 303.4857382709002), 100);
  assertAlmostEquals(normalizedScore("antmaze-umaze-diverse-v2", 0.5), 50);
  assertAlmostEquals(normalizedScore("door-human-longhorizon-v1", 2880.5693087298737), 100);
  assertThrows(() => normalizedScore("chess-v0", 1), RangeError, 'Cannot read id "chess-v0": unknown id');
});

Deno.test("findTask() gives Gymnasium's newer versions their physics, which createEnvironment() takes", async () => {
  const physics = async (id: string, chosen?: "d4rl" | "v4" | "stock") => {
    using env = await createEnvironment(findTask(id), chosen);
    return env.physics;
  };
  assertEquals(await physics("Hopper-v4"), "v4");
  assertEquals(await physics("Hopper-v2"), "d4rl");
  assertEquals(await physics("hopper"), "d4rl");
  assertEquals(await physics("HalfCheetah-v4", "stock"), "stock");
  assertEquals(findTask("maze2d-umaze-v0"), tasks["maze2d-umaze-v0"]);
  using short = await createEnvironment(findTask("maze2d-medium-dense-v0"));
  assertEquals(short.maxEpisodeSteps, 250);
});
