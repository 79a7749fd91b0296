/**
 * Policies in folders: what they are as JSON, their state as a checkpoint.
 *
 * @module
 */

import { join } from "node:path";
import { toFileUrl } from "../../tools/paths.ts";
import type { AnyAlgorithm } from "../../algorithms/core/agent.ts";
import { createAgent } from "../../algorithms/core/normalized_agent.ts";
import { createPolicy, type Policy, runStream } from "../../algorithms/core/policy.ts";
import { anyBatch } from "../../algorithms/engine/any_batch.ts";
import * as registry from "../../algorithms/registry.ts";
import { importAlgorithm } from "../../environments/play.ts";
import { makeFolder, writeAtomically } from "../../tools/files.ts";
import type { Provenance } from "../../tools/machine.ts";
import { closest } from "fastest-levenshtein";
import { type PolicyRecord, policyRecord } from "../cells/policy_record.ts";
import { type Identity, resume, saveCheckpoint } from "../cells/run_folder.ts";

/** A file that `loadPolicy()` reads. */
export interface RunFile {
  policy: PolicyRecord;
  /** Both are missing of policies that {@linkcode savePolicy} wrote. */
  madeWith?: Provenance;
  transitions?: number | null;
}

/** The identity of a policy that was saved by itself. */
const savedIdentity = ({ task, algorithm, seed }: Policy): Identity => ({
  task: `${task}`,
  algorithm: algorithm.name,
  seed: `${seed}`,
  hash: "saved",
});

/** The policy, with files of any number of observations at once. */
export const exportingAnyBatch = (policy: Policy): Policy => ({
  ...policy,
  exportPolicy: () => anyBatch(policy.exportPolicy()).bytes,
});

/** Saves a policy into a folder of its own, for {@linkcode loadPolicy}. */
export async function savePolicy(policy: Policy, folder: string): Promise<void> {
  await makeFolder(folder);
  const identity = savedIdentity(policy);
  await saveCheckpoint(folder, policy.algorithm.name, { state: policy.state, trainingMs: 0 }, identity);
  await writeAtomically(join(folder, "run.json"), JSON.stringify({ policy: policyRecord(policy, identity) }, null, 2));
}

/**
 * The algorithm of a name, or of a file that exports one.
 *
 * @param source A registered name such as `dtql`, a path such as `./my_algorithm.ts`, or a URL.
 * @throws {RangeError} If there is no such algorithm; the message has the nearest name.
 */
export async function findAlgorithm(source: string, name?: string): Promise<AnyAlgorithm> {
  const known = registry as Readonly<Record<string, AnyAlgorithm>>;
  if (Object.hasOwn(known, source)) return known[source];
  const isFile = /[\\/:]|\.[mc]?[jt]sx?$/.test(source);
  if (!isFile) {
    const names = Object.keys(known);
    throw new RangeError(
      `Cannot find algorithm "${source}": it must be one of ${
        names.join(", ")
      } or a file that exports one; did you mean "${closest(source, names)}"?`,
    );
  }
  const url = /^[a-z][a-z0-9+.-]+:/i.test(source) ? source : toFileUrl(source).href;
  const algorithm = await importAlgorithm(url, name);
  return algorithm.module === undefined ? { ...algorithm, module: url } : algorithm;
}

/** Reads a folder's `run.json`, or says what is wrong with it. */
export async function readRunFile(folder: string): Promise<RunFile> {
  const path = join(folder, "run.json");
  const failed = (why: string) => new Error(`Cannot load a policy from "${folder}": ${why}`);
  let file: RunFile;
  try {
    file = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof SyntaxError) throw failed(`run.json must be JSON, ${error.message}`);
    throw failed("it must hold a run.json; give a folder that train() or save() wrote, or one of reproduce's runs");
  }
  const { policy } = file;
  if (typeof policy?.algorithm !== "string" || typeof policy.config !== "object" || !policy.spec || !policy.identity) {
    throw failed(
      "its run.json must say what policy it is of; it was made by another version, or its checkpoint is of more than a policy",
    );
  }
  return file;
}

/**
 * The policy of a folder that `train()`, `save()` or `reproduce` wrote.
 *
 * @param algorithm What trained it, where its code has moved; by default what the folder says.
 * @throws {Error} If the folder holds no policy, or a checkpoint that is damaged or another run's.
 */
export async function loadPolicy(folder: string, algorithm?: AnyAlgorithm): Promise<Policy> {
  const { policy: record } = await readRunFile(folder);
  const found = algorithm ?? await findAlgorithm(record.module ?? record.algorithm, record.algorithm);
  const { spec } = record;
  const agent = createAgent(found, record.config, spec);
  const parts = { algorithm: found, config: record.config, spec, task: record.task, seed: record.seed, agent };
  const { state } = await resume(folder, agent.init(runStream(parts).child("init")), record.identity);
  if (state.updates === 0) {
    throw new Error(`Cannot load a policy from "${folder}": it must hold a checkpoint; its training has none yet`);
  }
  return exportingAnyBatch(createPolicy({ ...parts, state }));
}
