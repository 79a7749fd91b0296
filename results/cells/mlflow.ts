/**
 * MLflow's local file store (`mlflow/store/tracking/file_store.py`): a folder per experiment, below it one per run, in it a file per
 * parameter, tag and metric.
 *
 * MLflow reads it with `mlflow ui --backend-store-uri <folder>`; from version 3.13 on it wants MLFLOW_ALLOW_FILE_STORE=true in the
 * environment, or the folder in a database: `mlflow migrate-filestore --source <folder> --target sqlite:///mlflow.db`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, dirname, isAbsolute, join } from "node:path";
import { makeFolder, writeAtomically, writeError } from "../../tools/files.ts";
import type { Provenance } from "../../tools/machine.ts";

/** A run as MLflow shows it. */
export interface MlflowRun {
  /** Path of the store. */
  store: string;
  /** The experiment's name: runs that are compared with each other. */
  experiment: string;
  /** The run's own name. */
  name: string;
  /** What tells it from all others; the same run goes on under the same identity. */
  identity: string;
  /** Settings, by name; those within others get names such as `cloning.hidden`. */
  params: object;
  tags: Readonly<Record<string, string>>;
}

/** The store's name below a folder of results: MLflow's own. */
export const mlflowFolder = "mlruns";

/** What MLflow shows of where a run comes from. */
export const runTags = (task: "train" | "reproduce", { commit, onestep }: Provenance["versions"]) => ({
  "mlflow.source.name": `onestep ${task}`,
  ...(commit === null ? {} : { "mlflow.source.git.commit": commit }),
  onestep,
});

/** Numbers after so many updates. */
export type Point = { update: number } & Readonly<Record<string, number>>;

/** How a run ended. */
export type Outcome = "FINISHED" | "FAILED" | "KILLED";

/** An open run. */
export interface MlflowLog {
  append(update: number, values: Readonly<Record<string, number>>): Promise<void>;
  /** Writes a metric's points anew. */
  replace(name: string, points: readonly { update: number; value: number }[]): Promise<void>;
  end(outcome: Outcome): Promise<void>;
}

const statusNumbers = { RUNNING: 1, FINISHED: 3, FAILED: 4, KILLED: 5 }; // RunStatus in MLflow's service.proto

const digest = (text: string) => createHash("sha256").update(text).digest();

/** MLflow's databases hold ids of experiments as integers. */
const experimentId = (name: string) => `${digest(name).readUIntBE(0, 6)}`;
const runId = (identity: string) => digest(identity).toString("hex").slice(0, 32);

/** A name as MLflow allows it: letters, digits, `_`, `-`, `.`, spaces and, between parts, slashes. */
export function mlflowName(name: string): string {
  const parts = name.split("/").filter((part) => !["", ".", ".."].includes(part));
  return parts.map((part) => part.replace(/[^\w.\- ]/g, "_")).join("/").slice(0, 250) || "_";
}

/** Settings as text, by name; of a path its last part alone, for runs are shown to others. */
function flatten(settings: object, above = ""): [string, string][] {
  return Object.entries(settings).flatMap(([key, value]): [string, string][] => {
    const name = `${above}${key}`;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return flatten(value, `${name}.`);
    const text = typeof value === "string" ? isAbsolute(value) ? basename(value) : value : `${JSON.stringify(value)}`;
    return [[name, text.slice(0, 6000)]]; // MLflow's limit
  });
}

/** YAML takes JSON's numbers and texts. */
const yaml = (fields: object) =>
  Object.entries(fields).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`).join("");

async function write(path: string, text: string, options?: Deno.WriteFileOptions) {
  await makeFolder(dirname(path)); // A name may have slashes.
  try {
    await Deno.writeTextFile(path, text, options);
  } catch (error) {
    throw writeError(path, error);
  }
}

const readText = (path: string) => Deno.readTextFile(path).catch(() => ""); // There may be none yet.

/**
 * Opens a run that has come as far as `points`; what its files say of later updates is dropped, the times of the others are kept.
 *
 * @throws {Error} If the store cannot be written.
 */
export async function openMlflow(run: MlflowRun, points: readonly Point[]): Promise<MlflowLog> {
  const [experiment, id] = [experimentId(run.experiment), runId(run.identity)];
  const folder = join(run.store, experiment, id);
  const artifacts = `mlflow-artifacts:/${experiment}`;
  const now = Date.now();
  const experimentFile = join(run.store, experiment, "meta.yaml");
  if (!await readText(experimentFile)) {
    await makeFolder(folder);
    const times = { creation_time: now, last_update_time: now };
    const fields = { experiment_id: experiment, name: run.experiment, artifact_location: artifacts, ...times };
    await writeAtomically(experimentFile, yaml({ ...fields, lifecycle_stage: "active" }));
  }
  const started = Number(/^start_time: (\d+)$/m.exec(await readText(join(folder, "meta.yaml")))?.[1] ?? now);

  const writeMeta = (status: keyof typeof statusNumbers) =>
    writeAtomically(
      join(folder, "meta.yaml"),
      yaml({
        artifact_uri: `${artifacts}/${id}/artifacts`,
        deleted_time: null,
        end_time: status === "RUNNING" ? null : Date.now(),
        entry_point_name: "",
        experiment_id: experiment,
        lifecycle_stage: "active",
        run_id: id,
        run_name: run.name,
        run_uuid: id,
        source_name: "",
        source_type: 4, // LOCAL
        source_version: "",
        start_time: started,
        status: statusNumbers[status],
        tags: [],
        user_id: "",
      }),
    );
  const line = (time: number | string, value: number, update: number) => `${time} ${value} ${update}\n`;
  const metricFile = (name: string) => join(folder, "metrics", mlflowName(name));
  /** A metric's file with these points, of which it may have some with their times. */
  async function replace(name: string, points: readonly { update: number; value: number }[]) {
    const lines = (await readText(metricFile(name))).split("\n").map((text) => text.split(" "));
    const times = new Map(lines.map(([time, , update]) => [update, time]));
    const text = points.map(({ value, update }) => line(times.get(`${update}`) ?? Date.now(), value, update)).join("");
    await write(metricFile(name), text);
  }

  const series = new Map<string, { update: number; value: number }[]>();
  for (const { update, ...values } of points) {
    for (const [name, value] of numbersOf(values)) series.set(name, [...series.get(name) ?? [], { update, value }]);
  }
  await makeFolder(join(folder, "metrics"));
  await makeFolder(join(folder, "params"));
  await writeMeta("RUNNING");
  for (const [name, text] of flatten(run.params)) await write(join(folder, "params", mlflowName(name)), text);
  const tags = { "mlflow.runName": run.name, "mlflow.source.type": "LOCAL", ...run.tags };
  for (const [name, text] of Object.entries(tags)) await write(join(folder, "tags", mlflowName(name)), text);
  const kept = new Set([...series.keys()].map(metricFile));
  for (const path of filesBelow(join(folder, "metrics"))) if (!kept.has(path)) await Deno.remove(path);
  for (const [name, points] of series) await replace(name, points);

  return {
    replace,
    async append(update, values) {
      const time = Date.now();
      for (const [name, value] of numbersOf(values)) {
        await write(metricFile(name), line(time, value, update), { append: true });
      }
    },
    end: writeMeta,
  };
}

/** Numbers by name; JSON lines have null for what is none. */
const numbersOf = (values: Readonly<Record<string, number>>) =>
  Object.entries(values).filter(([, value]) => typeof value === "number");

const filesBelow = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(join(folder, name)) : [join(folder, name)]
  );
