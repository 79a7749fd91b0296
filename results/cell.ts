/**
 * Cells: the unit of work, one (experiment, task, algorithm, seed), and the folder it lives in.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Algorithm } from "../algorithms/core/agent.ts";
import { type CommonConfig, resolveConfig } from "../algorithms/core/config.ts";
import type { Backend } from "../algorithms/engine/backend.ts";
import { bc } from "../algorithms/bc.ts";
import { diffusionQl } from "../algorithms/diffusion_ql.ts";
import { dqlKl, dtql } from "../algorithms/dtql/mod.ts";
import { iql } from "../algorithms/iql.ts";
import { avPbc, dbc, pbc, sdwObd } from "../algorithms/offline_behavior_distillation/mod.ts";
import { rebrac } from "../algorithms/rebrac.ts";
import { behaviourSampling, srpo, srpoToy } from "../algorithms/srpo/mod.ts";
import { td3Bc } from "../algorithms/td3_bc.ts";
import { codeFingerprint, dataFingerprint, fileFingerprint } from "./fingerprint.ts";
import { stitchingStudy } from "./stitching_config.ts";

/** A configuration is checked by {@linkcode resolveConfig} when a cell is planned, so that its type may be forgotten here. */
const entry = <C extends CommonConfig>(algorithm: Algorithm<C>) => algorithm as unknown as Algorithm<CommonConfig>;

/** Every algorithm by name. */
export const algorithms = {
  dtql: entry(dtql),
  dql_kl: entry(dqlKl),
  diffusion_ql: entry(diffusionQl),
  srpo: entry(srpo),
  behaviour_sampling: entry(behaviourSampling),
  srpo_toy: entry(srpoToy),
  iql: entry(iql),
  bc: entry(bc),
  td3_bc: entry(td3Bc),
  rebrac: entry(rebrac),
  dbc: entry(dbc),
  pbc: entry(pbc),
  av_pbc: entry(avPbc),
  sdw_obd: entry(sdwObd),
  stitching: entry(stitchingStudy),
};

/** What an experiment does with a trained agent. */
export type ExperimentKind = "bandit" | "environment" | "toy" | "stitching" | "distillation" | "diagnosis" | "latency";

/** A way to sample SRPO's behaviour model; see its settings of the same names. */
export interface SamplingRule {
  sampler: string;
  calls: number;
  candidates: number;
  choice: "argmax" | "softmax";
}

/** One training run, as plain data that a process can be given. */
export interface Cell {
  profile: string;
  experiment: string;
  kind: ExperimentKind;
  task: string;
  algorithm: keyof typeof algorithms;
  seed: number;
  backend: Backend;
  /** Threads of an update; one if undefined. */
  threads?: number;
  /** Settings that differ from the algorithm's own for this task. */
  overrides: Record<string, unknown>;
  /** Why they do. */
  overridesSource: string;
  evaluation: {
    /** Episodes, or samples of a bandit's policy. */
    episodes: number;
    /** Candidates per action in the second evaluation; the first always has one. */
    candidates: number;
    /** Further evaluations, of the behaviour model that the same training made. */
    sampling?: SamplingRule[];
  };
  /** Path of the dataset file; null for a bandit. */
  dataset: string | null;
  /** Least time between checkpoints. */
  checkpointMs: number;
  /** What metrics are written to, beside JSON lines. */
  logs?: "tensorboard";
}

/** The preset whose task a local dataset stands in for. */
export const presetTask = (task: string) => task.replace(/-local$/, "-v2");

/** The cell's full configuration. */
export function cellConfig(cell: Cell): CommonConfig {
  return resolveConfig(algorithms[cell.algorithm], presetTask(cell.task), cell.overrides);
}

/** The cell's folder: its hash changes with settings, code and data, and so with anything that changes its result. */
export function cellFolder(root: string, cell: Cell): string {
  const { profile, experiment, task, algorithm, seed, evaluation, backend, threads, dataset } = cell;
  const identity = JSON.stringify([
    cellConfig(cell),
    evaluation,
    backend,
    ...(threads ? [threads] : []),
    codeFingerprint(cell),
    dataFingerprint(dataset),
    fileFingerprint(cell.overrides.teacherFile),
  ]);
  const hash = createHash("sha256").update(identity).digest("hex").slice(0, 10);
  return join(root, "runs", profile, experiment, task, algorithm, hash, `seed_${seed}`);
}

/** A cell in words. */
export function cellLabel({ task, algorithm, seed }: Cell): string {
  return `${task} ${algorithm} seed ${seed}`;
}
