/**
 * MLflow's store of files, read as its `file_store.py` and `validation.py` read it, and refused where they refuse.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { join, relative } from "node:path";

/** A run as MLflow sees it. */
export interface StoredRun {
  experiment: string;
  id: string;
  status: string;
  name: string;
  start: number;
  end: number | null;
  params: Record<string, string>;
  tags: Record<string, string>;
  /** Every line of each metric. */
  metrics: Record<string, { time: number; value: number; step: number }[]>;
}

const statuses: Record<number, string> = { 1: "RUNNING", 3: "FINISHED", 4: "FAILED", 5: "KILLED" };
const isName = (name: string) => /^[/\w.\- ]*$/.test(name) && name.split("/").every((part) => !/^\.{0,2}$/.test(part));

/** Scalars of a YAML file, of which ours have JSON's notation. */
const readYaml = (path: string): Record<string, unknown> =>
  Object.fromEntries(
    Deno.readTextFileSync(path).trimEnd().split("\n").map((line) => {
      const at = line.indexOf(": ");
      return [line.slice(0, at), JSON.parse(line.slice(at + 2))];
    }),
  );

function* filesBelow(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* filesBelow(join(folder, name));
    else yield join(folder, name);
  }
}

function readEntries<T>(folder: string, parse: (text: string) => T): Record<string, T> {
  return Object.fromEntries([...filesBelow(folder)].map((path) => {
    const name = relative(folder, path).replaceAll("\\", "/");
    assert(isName(name) && name.length <= 250, `MLflow takes no name "${name}"`);
    return [name, parse(Deno.readTextFileSync(path))];
  }));
}

function readMetric(text: string) {
  assert(text.endsWith("\n"), "a metric has no data, or a line is cut short");
  return text.trimEnd().split("\n").map((line) => {
    const parts = line.split(" ");
    assertEquals(parts.length, 3, line);
    const [time, value, step] = parts.map((part) =>
      part === "Infinity" || part === "NaN" ? Number(part) : JSON.parse(part)
    );
    assert(Number.isInteger(time) && time > 1.7e12 && Number.isInteger(step) && typeof value === "number", line);
    return { time, value, step };
  });
}

/** All runs of a store. */
export function readStore(store: string): StoredRun[] {
  return [...Deno.readDirSync(store)].flatMap(({ name: experimentId }) => {
    const folder = join(store, experimentId);
    const experiment = readYaml(join(folder, "meta.yaml"));
    assert(/^[1-9]\d*$/.test(experimentId) && Number.isSafeInteger(Number(experimentId)), "databases want an integer");
    assertEquals([experiment.experiment_id, experiment.lifecycle_stage], [experimentId, "active"]);
    const runs = [...Deno.readDirSync(folder)].filter(({ isDirectory }) => isDirectory);
    return runs.map(({ name: id }): StoredRun => {
      const at = (name: string) => join(folder, id, name);
      const meta = readYaml(at("meta.yaml"));
      assert(/^[0-9a-f]{32}$/.test(id));
      assertEquals([meta.run_id, meta.run_uuid, meta.experiment_id], [id, id, experimentId]);
      assertEquals([meta.lifecycle_stage, meta.user_id, meta.deleted_time], ["active", "", null]);
      const params = readEntries(at("params"), (text) => text);
      assert(Object.values(params).every((text) => text.length <= 6000));
      const tags = readEntries(at("tags"), (text) => text);
      assertEquals(tags["mlflow.runName"], meta.run_name);
      return {
        experiment: experiment.name as string,
        id,
        status: statuses[meta.status as number],
        name: meta.run_name as string,
        start: meta.start_time as number,
        end: meta.end_time as number | null,
        params,
        tags,
        metrics: readEntries(at("metrics"), readMetric),
      };
    });
  });
}

/** The text of all files of a store. */
export const storeText = (store: string): string =>
  [...filesBelow(store)].map((path) => `${relative(store, path)}\n${Deno.readTextFileSync(path)}`).join("\n");
