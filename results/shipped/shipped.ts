/**
 * Shipped runs: what finished cells of `standard` said, and with what their policies can be played again, kept with the code.
 *
 * `runs/` has a folder per run, `manifest.json` the SHA-256 of every file; one command writes them, and none is edited by hand.
 *
 * @module
 */

import { join } from "node:path";
import { sha256Hex } from "../../tools/digest.ts";
import { makeFolder, writeAtomically } from "../../tools/files.ts";
import { fromFileUrl } from "../../tools/paths.ts";
import { misfit, readRecord, type Shape } from "../../tools/records.ts";
import { type Cell, cellFolder, cellLabel, cellRecord } from "../cells/cell.ts";
import { readMetrics } from "../cells/metrics.ts";
import { type Evaluation, evaluationShape, findEvaluation } from "../cells/record.ts";
import { actingName } from "../cells/train.ts";
import { cellHash } from "../cells/fingerprint.ts";
import { codeOf, experimentOf } from "../experiments/mod.ts";

/** Where shipped runs lie. */
export const shippedFolder = fromFileUrl(new URL("./", import.meta.url));

/** The profile whose runs are shipped. */
export const shippedProfile = "standard";

/** Largest size of all files together. */
const mostBytes = 25e6;
/** Whether a run's policy is shipped; all would be more bytes than that. What other runs say is taken as it was recorded. */
const shipsPolicy = ({ experiment, task, seed }: Cell) =>
  experiment !== "bridges_offline" && (experiment !== "family" || seed === 0 && task.endsWith("replay-local"));
/** Metrics that are kept of a run, evenly spread. */
const keptMetrics = 20;

/** What is kept of a run, as JSON. */
export interface ShippedRecord {
  evaluation: Evaluation;
  /** Metrics of the training, thinned. */
  metrics: ({ update: number } & Record<string, number>)[];
  /** Where the settings are from. */
  preset: string;
  /** Hash of its code. */
  code: string;
  /** SHA-256 of its dataset's file. */
  datasetSha256: string | null;
}

/** A shipped run that is as its manifest says. */
export interface ShippedRun extends ShippedRecord {
  /** Its files, relative to the folder. */
  path: string;
  /** SHA-256 of its record and of its arrays. */
  sha256: string;
  /** Whether it has what can be played again. */
  playable: boolean;
}

interface Manifest {
  files: Record<string, string>;
}

const recordName = "run.json";

/** A run's folder, relative to the shipped ones. */
const pathOf = ({ experiment, task, algorithm, hash, seed }: Cell): string =>
  `runs/${experiment}/${task}/${algorithm}/${hash}/seed_${seed}`;

/** Whether cells differ in their settings at most. */
const sameMethod = (a: Cell, b: Cell): boolean =>
  (["experiment", "task", "algorithm", "seed"] as const).every((key) => a[key] === b[key]);

/** What tells a run from others but for its code: a newer run of it takes its place. */
const sameRun = (a: Cell, b: Cell): boolean =>
  sameMethod(a, b) &&
  JSON.stringify([a.config, a.evaluation.setting]) === JSON.stringify([b.config, b.evaluation.setting]);

const readManifest = async (folder: string): Promise<Manifest> =>
  await readRecord<Manifest>(join(folder, "manifest.json"), { files: "anything" }) ?? { files: {} };

/**
 * The shipped runs whose files are as the manifest says, and what is wrong with the others.
 *
 * @param folder Where they lie. @default this package's
 * @param only The path of the one that is wanted. @default all
 */
export async function readShipped(
  folder = shippedFolder,
  only?: string,
): Promise<{ runs: ShippedRun[]; problems: string[] }> {
  const { files } = await readManifest(folder);
  const [runs, problems]: [ShippedRun[], string[]] = [[], []];
  const records = Object.keys(files).filter((path) => path.endsWith(`/${recordName}`)).sort();
  for (const path of only === undefined ? records : records.filter((path) => path === `${only}/${recordName}`)) {
    try {
      const bytes = await readVerified(folder, path, files);
      const of = path.slice(0, -recordName.length - 1);
      const arrays = `${of}/${actingName}`;
      if (arrays in files) await readVerified(folder, arrays, files);
      const record = JSON.parse(new TextDecoder().decode(bytes)) as ShippedRecord;
      const why = misfit(record, { ...runShape, evaluation: evaluationShape("anything"), metrics: ["anything"] });
      if (why !== null) throw new Error(`Cannot use "${join(folder, path)}": ${why}; another version shipped it`);
      const sha256 = sha256Hex(`${files[path]} ${files[arrays] ?? ""}`);
      runs.push({ ...record, path: of, sha256, playable: arrays in files });
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return { runs, problems };
}

async function readVerified(folder: string, path: string, files: Manifest["files"]): Promise<Uint8Array> {
  const whole = join(folder, path);
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(whole);
  } catch {
    throw new Error(
      `Cannot use "${whole}": it is not there, though the manifest names it; restore it from the repository`,
    );
  }
  if (sha256Hex(bytes) === files[path]) return bytes;
  throw new Error(
    `Cannot use "${whole}": it is not what was shipped (its SHA-256 is another); restore it from the repository`,
  );
}

const runShape: { readonly [field: string]: Shape } = {
  code: "string",
  datasetSha256: ["or null", "string"],
  preset: "string",
};

/**
 * Ships the finished ones of `cells`: each in the place of an older run with the same settings, and of those of its method, task and seed
 * whose settings none of `cells` has any more.
 *
 * @param root The results folder.
 * @returns What was shipped, and the size of all shipped files.
 * @throws {RangeError} If the files would be too many bytes.
 */
export async function shipRuns(
  cells: readonly Cell[],
  root: string,
  folder = shippedFolder,
): Promise<{ shipped: string[]; missing: number; bytes: number }> {
  const { files } = await readManifest(folder);
  const { runs: old } = await readShipped(folder);
  const shipped: string[] = [];
  for (const cell of cells) {
    const { evaluation, problem } = await findEvaluation(root, cell, experimentOf(cell).study.result);
    if (problem) throw new Error(problem);
    if (!evaluation) continue;
    const from = cellFolder(root, cell);
    const { code, datasetSha256, preset } = (await readRecord<ShippedRecord>(join(from, recordName), runShape))!;
    const metrics = await readMetrics(from);
    const every = Math.max(1, Math.floor(metrics.length / keptMetrics));
    const record: ShippedRecord = {
      evaluation: { ...evaluation, cell: { ...cellRecord(cell), checkpointMs: 10_000, logs: undefined } },
      metrics: metrics.filter((_, i) => (i + 1) % every === 0),
      preset,
      code,
      datasetSha256,
    };
    const isOver = ({ evaluation: { cell: other } }: ShippedRun) =>
      sameRun(other, cell)
        ? other.hash !== cell.hash
        : sameMethod(other, cell) && !cells.some((planned) => sameRun(other, planned));
    for (const run of old.filter(isOver)) {
      const { path } = run;
      old.splice(old.indexOf(run), 1);
      await Deno.remove(join(folder, path), { recursive: true });
      for (const name of Object.keys(files)) if (name.startsWith(`${path}/`)) delete files[name];
    }
    const path = pathOf(cell);
    await makeFolder(join(folder, path));
    const put = async (name: string, bytes: Uint8Array | string) => {
      await writeAtomically(join(folder, path, name), bytes);
      files[`${path}/${name}`] = sha256Hex(bytes);
    };
    await put(recordName, `${JSON.stringify(record)}\n`);
    if (shipsPolicy(cell)) {
      const arrays = await Deno.readFile(join(from, actingName)).catch(() => null); // Not every study has some.
      if (arrays) await put(actingName, arrays);
    }
    shipped.push(cellLabel(cell));
  }
  const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => a < b ? -1 : 1));
  await writeAtomically(join(folder, "manifest.json"), `${JSON.stringify({ files: sorted }, null, 2)}\n`);
  let bytes = 0;
  for (const path of Object.keys(files)) bytes += (await Deno.stat(join(folder, path))).size;
  if (bytes > mostBytes) {
    throw new RangeError(`Cannot ship ${bytes} bytes: shipped runs must be at most ${mostBytes} together`);
  }
  return { shipped, missing: cells.length - shipped.length, bytes };
}

/** The cell that plays a shipped run again, or takes what it says as it was recorded. */
export function replayCell({ evaluation: { cell }, path, sha256, playable }: ShippedRun, profile: string): Cell {
  const unhashed = { ...cell, profile, dataset: null, shipped: { path, sha256, playable } };
  return { ...unhashed, hash: cellHash(unhashed, codeOf(cell)) };
}
