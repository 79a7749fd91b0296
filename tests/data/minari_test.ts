import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { createRng } from "../../algorithms/core/rng.ts";
import { qlearningDataset } from "../../data/d4rl.ts";
import { loadDataset } from "../../data/dataset.ts";
import { type HdfArray, writeHdf5 } from "../../data/hdf5.ts";
import { comparePython, parseSpace } from "../../data/spaces.ts";
import { flags, floats } from "./example.ts";

/** What tests/golden/gymnasium_flatten.py writes. */
interface Golden {
  cases: Record<string, {
    file: string;
    metadata: string;
    refused: string | null;
    observations: number[][] | null;
    actions: number[][] | null;
  }>;
}

const golden: Golden = JSON.parse(
  await Deno.readTextFile(new URL("../golden/gymnasium_flatten.json", import.meta.url)),
);

async function withFolder(use: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A dataset's folder as Minari has it. */
async function makeDataset(
  folder: string,
  { file, metadata }: { file: string; metadata: string | null },
): Promise<string> {
  const data = join(folder, "data");
  await Deno.mkdir(data, { recursive: true });
  await Deno.writeFile(join(data, "main_data.hdf5"), gunzipSync(Uint8Array.fromBase64(file)));
  if (metadata !== null) await Deno.writeTextFile(join(data, "metadata.json"), metadata);
  return folder;
}

Deno.test("loadDataset() flattens every kind of space that Minari stores as Gymnasium's flatten() does, or names the part", async (t) => {
  for (const [name, { refused, observations, actions, ...dataset }] of Object.entries(golden.cases)) {
    await t.step(name, () =>
      withFolder(async (folder) => {
        const path = await makeDataset(folder, dataset);
        if (refused !== null) {
          await assertRejects(() => loadDataset(path), Error, refused);
          return;
        }
        for (const _ of ["from the file", "from the cache"]) {
          const data = await loadDataset(path);
          const float32 = (rows: number[][]) => rows.flat().map(Math.fround);
          assertEquals([...data.observations], float32(observations!.slice(0, -1)));
          assertEquals([...data.successors!], float32(observations!.slice(1)));
          assertEquals([...data.actions], float32(actions!));
          assertEquals([data.layout, data.rows], ["minari", 3]);
        }
      }));
  }
});

Deno.test("without metadata.json, boxes of a tuple come in the order of their indices, and integers are refused by name", async () => {
  const { tuple_of_twelve: tuple, nested } = golden.cases;
  await withFolder(async (folder) => {
    const data = await loadDataset(await makeDataset(folder, { ...tuple, metadata: null }));
    assertEquals([...data.observations], tuple.observations!.slice(0, -1).flat().map(Math.fround));
  });
  await withFolder(async (folder) => {
    const path = await makeDataset(folder, { ...nested, metadata: null });
    const said = "observations/a/x holds integers, and what they mean is not written down";
    await assertRejects(() => loadDataset(path), Error, said);
    await Deno.writeTextFile(join(folder, "data", "metadata.json"), nested.metadata);
    assertEquals((await loadDataset(path)).observationDim, nested.observations![0].length);
  });
});

Deno.test("a cache made without metadata.json, or with another, does not answer for the one that is there now", () =>
  withFolder(async (folder) => {
    const { tuple_of_twelve: tuple } = golden.cases;
    const path = await makeDataset(folder, { ...tuple, metadata: null });
    await loadDataset(path);
    const shorter = JSON.parse(JSON.parse(tuple.metadata).observation_space);
    shorter.subspaces = shorter.subspaces.slice(0, 3);
    await Deno.writeTextFile(
      join(folder, "data", "metadata.json"),
      JSON.stringify({ ...JSON.parse(tuple.metadata), observation_space: JSON.stringify(shorter) }),
    );
    const first = await loadDataset(path);
    assertEquals(first.observationDim, 3);
    await Deno.writeTextFile(join(folder, "data", "metadata.json"), tuple.metadata);
    const second = await loadDataset(path);
    assertEquals(second.observationDim, 12);
    assert(first.sha256 !== second.sha256); // The hash is of all files.
  }));

/** A Minari file of episodes that count up; each with its observations, and actions one fewer unless `extra` says otherwise. */
function episodes(lengths: number[], extra: (episode: number) => number = () => 1): Map<string, HdfArray> {
  let at = 0;
  return new Map(lengths.flatMap((n, k): [string, HdfArray][] => {
    const rows = n + extra(k);
    const values = Array.from({ length: rows }, () => at++);
    const action = Array.from({ length: n }, (_, i) => k / 10 + i / 100);
    const last = (flag: number) => flags(Array.from({ length: n }, (_, i) => i === n - 1 ? flag : 0));
    return [
      [`episode_${k}/observations`, floats([rows, 1], values)],
      [`episode_${k}/actions`, floats([n, 1], action)],
      [`episode_${k}/rewards`, floats([n, 1], action)],
      [`episode_${k}/terminations`, last(k === 0 ? 1 : 0)],
      [`episode_${k}/truncations`, last(k === 0 ? 0 : 1)],
    ];
  }));
}

Deno.test("an episode whose lengths do not fit is named, with the lengths that the file has", () =>
  withFolder(async (folder) => {
    const path = join(folder, "main_data.hdf5");
    await writeHdf5(path, episodes([5, 6, 7], (k) => k === 1 ? 0 : 1));
    const said = "episode_1: observations must have 7 rows for 6 actions, current is 6";
    await assertRejects(() => loadDataset(path), Error, said);
  }));

Deno.test("a Minari row at a time limit has no next action, and is not drawn where one is needed", () =>
  withFolder(async (folder) => {
    const path = join(folder, "main_data.hdf5");
    await writeHdf5(path, episodes([3, 4, 1]));
    const data = qlearningDataset(await loadDataset(path));
    const next = [0.01, 0.02, 0.02, 0.1 + 0.01, 0.1 + 0.02, 0.1 + 0.03, NaN, NaN].map(Math.fround); // The third row is terminal.
    assertEquals([...data.nextAction], next);
    const draw = data.batches({ rewardTransform: "none", nextAction: true });
    const drawn = new Set(draw(500, createRng(0)).observation.data);
    assertEquals([...drawn].sort((a, b) => a - b), [0, 1, 2, 4, 5, 6]);
    const all = data.batches({ rewardTransform: "none", nextAction: false })(500, createRng(0));
    assertEquals(new Set(all.observation.data).size, 8);
  }));

Deno.test("parseSpace() reads Python's Infinity and NaN, but not those in names; comparePython() orders by code points", () => {
  const text = '{"low": [-Infinity, NaN], "high": [Infinity, 1], "Infinity \\" NaN": "NaN"}';
  assertEquals(parseSpace(text), { low: [null, null], high: [null, 1], 'Infinity " NaN': "NaN" });
  assertEquals(["\u{1f600}", "\uffff", "b", "a", "ab", "a/", "B"].sort(comparePython), [
    "B",
    "a",
    "a/",
    "ab",
    "b",
    "\uffff",
    "\u{1f600}",
  ]);
});
