import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { createRng, type Rng } from "../../algorithms/core/rng.ts";
import { cachePath } from "../../data/cache.ts";
import { jupyterDisplay } from "../../data/show/display.ts";
import { datasetCard } from "../../data/card.ts";
import { drawShuffled, qlearningDataset, sequenceDataset } from "../../data/d4rl.ts";
import { type Dataset, loadDataset, toDataset } from "../../data/dataset.ts";
import { datasetTrajectories } from "../../data/trajectories.ts";
import { renderFigure } from "../../data/show/figure.ts";
import { episodesFrame, statisticsFrame, transitionsFrame } from "../../data/frames.ts";
import { type HdfArray, writeHdf5 } from "../../data/hdf5.ts";
import { exampleArrays, flags, floats } from "./example.ts";

/** Random rows with random flags, both at once included. */
function randomDataset(rng: Rng, timeouts: "with" | "without"): Dataset {
  const rows = 1 + rng.integer(60);
  const numbers = (n: number) => rng.fillNormal(new Float32Array(n));
  const [often, seldom] = [rng.uniform(), 0.3 * rng.uniform()];
  const draw = (p: number) => Array.from({ length: rows }, () => rng.uniform() < p ? 1 : 0);
  const arrays = new Map([
    ["observations", floats([rows, 3], numbers(3 * rows))],
    ["actions", floats([rows, 2], numbers(2 * rows))],
    ["rewards", floats([rows], numbers(rows))],
    ["terminals", flags(draw(seldom))],
  ]);
  if (timeouts === "with") arrays.set("timeouts", flags(draw(0.3 * often)));
  return toDataset(arrays, new Map(), "random");
}

/** `d4rl.qlearning_dataset` as a plain loop over rows. */
function plainQlearning(data: Dataset, terminateOnEnd: boolean, maxEpisodeSteps: number) {
  const out: {
    observation: number[];
    next: number[];
    action: number[];
    nextAction: number[];
    reward: number;
    terminal: number;
  }[] = [];
  const at = (i: number) => Array.from(data.observations.slice(3 * i, 3 * i + 3));
  let episodeStep = 0;
  for (let i = 0; i < data.rows - 1; i++) {
    const final = data.timeouts ? Boolean(data.timeouts[i]) : episodeStep === maxEpisodeSteps - 1;
    if (!terminateOnEnd && final) {
      episodeStep = 0;
      continue;
    }
    if (data.terminals[i] || final) episodeStep = 0;
    const [action, nextAction] = [i, i + 1].map((row) => Array.from(data.actions.slice(2 * row, 2 * row + 2)));
    const [reward, terminal] = [data.rewards[i], data.terminals[i]];
    out.push({ observation: at(i), next: at(i + 1), action, nextAction, reward, terminal });
    episodeStep += 1;
  }
  return out;
}

/** `d4rl.sequence_dataset` as a plain loop: the rows of each episode. */
function plainSequences(data: Dataset, maxEpisodeSteps: number): number[][] {
  const out: number[][] = [];
  let rows: number[] = [];
  let episodeStep = 0;
  for (let i = 0; i < data.rows; i++) {
    const final = data.timeouts ? Boolean(data.timeouts[i]) : episodeStep === maxEpisodeSteps - 1;
    rows.push(i);
    if (data.terminals[i] || final) {
      episodeStep = 0;
      out.push(rows);
      rows = [];
    }
    episodeStep += 1;
  }
  return out;
}

Deno.test("qlearningDataset() and sequenceDataset() equal plain loops on 400 random flag patterns", () => {
  const rng = createRng("patterns");
  for (let trial = 0; trial < 400; trial++) {
    const data = randomDataset(rng.child(`${trial}`), trial % 2 ? "with" : "without");
    const maxEpisodeSteps = 1 + rng.integer(12);
    for (const terminateOnEnd of [false, true]) {
      const wanted = plainQlearning(data, terminateOnEnd, maxEpisodeSteps);
      if (wanted.length === 0) {
        assertThrows(() => qlearningDataset(data, { terminateOnEnd, maxEpisodeSteps }), RangeError, "none has");
        continue;
      }
      const found = qlearningDataset(data, { terminateOnEnd, maxEpisodeSteps });
      assertEquals(found.count, wanted.length);
      assertEquals([...found.observation], wanted.flatMap((row) => row.observation));
      assertEquals([...found.nextObservation], wanted.flatMap((row) => row.next));
      assertEquals([...found.action], wanted.flatMap((row) => row.action));
      assertEquals([...found.nextAction!], wanted.flatMap((row) => row.nextAction));
      assertEquals([...found.reward], wanted.map((row) => row.reward));
      assertEquals([...found.terminal], wanted.map((row) => row.terminal));
    }
    const episodes = [...sequenceDataset(data, { maxEpisodeSteps })];
    const rowsOf = ({ start, end }: { start: number; end: number }) =>
      Array.from({ length: end - start }, (_, i) => start + i);
    assertEquals(episodes.map(rowsOf), plainSequences(data, maxEpisodeSteps));
  }
});

Deno.test("sequenceDataset() without timeouts cuts every episode but the first one row early, as D4RL does", () => {
  const terminals = new Int8Array(20);
  const lengths = [...sequenceDataset({ rows: 20, terminals, timeouts: null }, { maxEpisodeSteps: 5 })]
    .map(({ start, end }) => end - start);
  assertEquals(lengths, [5, 4, 4, 4]);
});

Deno.test("toDataset() refuses flags that are neither 0 nor 1", () => {
  const arrays = new Map([
    ["observations", floats([2, 1], [0, 0])],
    ["actions", floats([2, 1], [0, 0])],
    ["rewards", floats([2], [0, 0])],
    ["terminals", flags([0, 3])],
  ]);
  assertThrows(() => toDataset(arrays, new Map(), "x"), Error, "terminals must be 0 or 1, row 1 is 3");
});

/** Two episodes in Minari's layout: one that ends, one that is cut; the second's observations may be a dictionary. */
function minariArrays(): Map<string, HdfArray> {
  const episode = (k: number, from: number, n: number, last: [termination: number, truncation: number]) => {
    const end = (flag: number) => flags(Array.from({ length: n }, (_, i) => i === n - 1 ? flag : 0));
    const positions = Array.from({ length: n + 1 }, (_, i) => from + i);
    return [
      [`episode_${k}/observations/achieved`, floats([n + 1, 1], positions.map((x) => -x))],
      [`episode_${k}/observations/observation`, floats([n + 1, 2], positions.flatMap((x) => [x, 10 * x]))],
      [`episode_${k}/actions`, floats([n, 1], positions.slice(0, n).map((x) => x / 10))],
      [`episode_${k}/rewards`, floats([n], positions.slice(0, n))],
      [`episode_${k}/terminations`, end(last[0])],
      [`episode_${k}/truncations`, end(last[1])],
    ] as [string, HdfArray][];
  };
  return new Map([...episode(10, 100, 2, [0, 0]), ...episode(2, 0, 3, [1, 0])]); // In the order of their numbers.
}

Deno.test("loadDataset() reads Minari's layout: every row kept, with its true successor", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "main_data.hdf5");
  await writeHdf5(path, minariArrays());
  for (const _ of ["from the file", "from the cache"]) {
    const data = await loadDataset(path);
    assertEquals([data.layout, data.rows, data.observationDim, data.actionDim], ["minari", 5, 3, 1]);
    const transitions = qlearningDataset(data);
    assertEquals([...transitions.observation].filter((_, i) => i % 3 === 1), [0, 1, 2, 100, 101]);
    assertEquals([...transitions.nextObservation].filter((_, i) => i % 3 === 1), [1, 2, 3, 101, 102]);
    assertEquals([...transitions.observation].slice(3, 6), [-1, 1, 10]);
    assertEquals([...transitions.terminal], [0, 0, 1, 0, 0]);
    assertEquals([...data.timeouts!], [0, 0, 0, 0, 1]);
    assertEquals(transitions.episodeReturns, [3, 201]);
  }
  const short = minariArrays();
  short.set("episode_2/rewards", floats([2], [0, 1]));
  await writeHdf5(path, short);
  await assertRejects(
    () => loadDataset(path),
    Error,
    "episode_2: rewards must have 3 rows for 3 actions, current is 2",
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("loadDataset() reads the decoded arrays the second time, unless the file has changed or they are cut short", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "x.hdf5");
  await writeHdf5(path, exampleArrays(), { origin: "first" });
  const first = await loadDataset(path);
  assertEquals(await loadDataset(path), first);

  const cache = await Deno.readFile(cachePath(path));
  for (const broken of [cache.subarray(0, cache.length - 1), cache.subarray(0, 20), new Uint8Array(0)]) {
    await Deno.writeFile(cachePath(path), broken);
    assertEquals(await loadDataset(path), first);
    assertEquals(await Deno.readFile(cachePath(path)), cache);
  }
  await writeHdf5(path, exampleArrays().set("rewards", floats([6], [0, 0, 0, 0, 0, 7])), { origin: "second" });
  await Deno.utime(path, new Date(), new Date(Date.now() + 5000));
  assertEquals((await loadDataset(path)).rewards[5], 7);

  await Deno.remove(cachePath(path));
  await Deno.mkdir(cachePath(path)); // A cache that cannot be written is done without.
  assertEquals((await loadDataset(path)).rewards[5], 7);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("loadDataset() refuses what is neither an id nor a file, a folder that is no dataset's, and names of objects' own", async () => {
  const folder = await Deno.makeTempDir();
  for (
    const [source, said] of [
      ["maze2d-umase-local", 'did you mean "maze2d-umaze-local"?'],
      ["constructor", 'Cannot find dataset "constructor": unknown id'],
      ["__proto__", 'Cannot find dataset "__proto__": unknown id'],
      [`${folder}/none.hdf5`, "the file must exist and be readable"],
      [folder, "it is a folder without data/main_data.hdf5"],
    ]
  ) await assertRejects(() => loadDataset(source), Error, said);
  await Deno.remove(folder);
});

Deno.test("frames have one row per step, per episode and per dimension", () => {
  const data = toDataset(exampleArrays(), new Map(), "example");
  const steps = transitionsFrame(data);
  assertEquals(steps.columnNames(), ["episode", "step", "s0", "s1", "a0", "reward", "terminal", "timeout"]);
  assertEquals([...steps.array("episode")], [0, 0, 1, 1, 1, 2]);
  assertEquals([...steps.array("step")], [0, 1, 0, 1, 2, 0]);
  assertEquals(episodesFrame(data).objects(), [
    { episode: 0, start: 0, length: 2, return: 3, ending: "terminal" },
    { episode: 1, start: 2, length: 3, return: 28, ending: "timeout" },
  ]);
  const [s0] = statisticsFrame(data).objects() as Record<string, number>[];
  assertEquals([s0.name, s0.mean, s0.least, s0.largest], ["s0" as unknown as number, 2.5, 0, 5]);
  assertAlmostEquals(s0.deviation, Math.sqrt(35 / 12), 1e-12);
});

Deno.test("datasetCard() counts flags and dropped rows, and shows itself in text, Markdown and a notebook", async () => {
  const data = toDataset(exampleArrays(), new Map([["origin", "a test"]]), "hopper-test");
  const card = datasetCard(data);
  const value = (name: string) => card.tables[0].rows.find(([what]) => what === name)![1];
  assertEquals(value("episodes"), "2, length 2.5 ± 0.5 (2 to 3)");
  assertEquals(value("return"), "15.5 ± 12.5 (3 to 28)");
  assertEquals(value("terminals"), "1 (16.7 %)");
  assertEquals(value("unfinished tail"), "1 rows, in no episode");
  assertEquals(value("dropped for training"), "2 (33.3 %): rows at time limits and the last one");
  assert(card.toText().includes("█") && card.toMarkdown().includes("| origin | a test |"));
  const bundle = await card[jupyterDisplay]();
  assertEquals(Object.keys(bundle), ["text/plain", "text/markdown", "application/vnd.vegalite.v5+json"]);
  const { svg } = await renderFigure(card.figure);
  assert(svg.includes("return of an episode") && svg.includes(">s1<"));
});

Deno.test("drawShuffled() visits every row once per pass, in another order each time, whatever was drawn before", () => {
  const data = qlearningDataset(toDataset(exampleArrays(), new Map(), "example"));
  const passOf = (pass: number) => {
    const rng = createRng("shuffle");
    return [0, 1].flatMap((i) => [...drawShuffled(data, 2, 2 * pass + i, rng).reward.data]);
  };
  const passes = [0, 1, 2, 3].map(passOf);
  for (const pass of passes) assertEquals(pass.toSorted((a, b) => a - b), [1, 4, 8, 2].toSorted((a, b) => a - b));
  assert(new Set(passes.map(String)).size > 1);
  assertEquals(passOf(2), passes[2]);
  assertThrows(() => drawShuffled(data, 9, 0, createRng(0)), RangeError, "size must be at most 4, current value is 9");
});

Deno.test("datasetTrajectories() keeps whole episodes, and in D4RL's layout all of their steps that have a successor", () => {
  const data = toDataset(exampleArrays(), new Map(), "example");
  const { data: cut, terminal } = datasetTrajectories(data);
  assertEquals([...cut.observation], [0, 0, 2, 2, 3, 3]);
  assertEquals([...cut.nextObservation], [1, 1, 3, 3, 4, 4]);
  assertEquals([...cut.reward], [1, 4, 8]);
  assertEquals([[...cut.done], [...terminal]], [[1, 0, 1], [1, 0, 0]]);
  assertEquals(datasetTrajectories(data, 4).data.count, 1);
  const successors = data.observations.map((x) => x + 0.5);
  const full = datasetTrajectories({ ...data, successors });
  assertEquals([full.data.count, full.data.nextObservation[2 * 1], full.terminal[1]], [5, 1.5, 1]);
  assertThrows(() => datasetTrajectories(data, 1), RangeError, "it must have a finished episode of two steps or more");
});
