/**
 * Cells: the unit of work, one (experiment, task, algorithm, seed), and the folder it lives in.
 *
 * @module
 */

import { basename, join } from "node:path";
import type { CommonConfig } from "../../algorithms/core/config.ts";
import type { Backend } from "../../algorithms/engine/backend.ts";
import type { logFormats } from "./metrics.ts";

/** A way to sample a trained diffusion model; settings of {@linkcode behaviourSampling} by the same names. */
export interface SamplingRule {
  sampler: string;
  calls: number;
  candidates: number;
  choice: "argmax" | "softmax";
}

/** What is played after training. */
export interface EvaluationPlan {
  /** Episodes, or samples of a bandit's policy. */
  episodes: number;
  /** Candidates per action in the second evaluation; the first always has one. */
  candidates: number;
  /** Further evaluations, of the diffusion model that the same training made. */
  sampling?: readonly SamplingRule[];
  /** Updates between evaluations on the way, and their episodes. */
  curve?: { every: number; episodes: number };
  /** The setting that the experiment varies, by its name: it keeps results apart that are otherwise named alike. */
  setting?: string;
}

/** One training run, as plain data that a process can be given: the plan decides all of it once. */
export interface Cell {
  profile: string;
  experiment: string;
  /** What it is trained on: a bandit's name, or a dataset's id. */
  task: string;
  algorithm: string;
  /** The algorithm in words. */
  title: string;
  seed: number;
  backend: Backend;
  /** Threads of an update; one if undefined. */
  threads?: number;
  /** All settings. */
  config: CommonConfig;
  /** Why they differ from the algorithm's own for this task. */
  overridesSource: string;
  evaluation: EvaluationPlan;
  /** What samples the diffusion model, if `evaluation` asks for it. */
  sampled?: { algorithm: string; title: string };
  /** Path of the dataset's file; null without one. */
  dataset: string | null;
  /** Least time between checkpoints. */
  checkpointMs: number;
  /** The shipped run that is played again, or taken as it was recorded, in the place of a training. */
  shipped?: { path: string; sha256: string; playable: boolean };
  /** What metrics are written to, beside JSON lines. */
  logs?: readonly typeof logFormats[number][];
  /** Changes with settings, code and data, and so with all that changes the result. */
  hash: string;
}

/** The cell's folder. */
export const cellFolder = (root: string, { profile, experiment, task, algorithm, hash, seed }: Cell): string =>
  join(root, "runs", profile, experiment, task, algorithm, hash, `seed_${seed}`);

/** A cell as its files say it, which may be shown to others: of the dataset the file's name, not where it lies. */
export const cellRecord = (cell: Cell): Cell => ({ ...cell, dataset: cell.dataset && basename(cell.dataset) });

/** A cell in words. */
export const cellLabel = ({ task, algorithm, seed }: Pick<Cell, "task" | "algorithm" | "seed">): string =>
  `${task} ${algorithm} seed ${seed}`;
