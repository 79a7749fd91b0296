/**
 * Experiments: what is run in each profile, how it is shown, and which claims it answers.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import type { Algorithm, AnyAlgorithm } from "../../algorithms/core/agent.ts";
import type { CommonConfig, noPreset } from "../../algorithms/core/config.ts";
import type { Table } from "../../data/show/table.ts";
import type { Cell, SamplingRule } from "../cells/cell.ts";
import type { Evaluation } from "../cells/record.ts";
import type { Study } from "../cells/study.ts";
import type { Acting, Measured } from "../scores/measures.ts";
import type { Mark, Paper } from "./papers.ts";

/** Amounts of work, smallest first. */
export const profileNames = ["smoke", "quick", "standard", "full", "paper"] as const;

/** One of {@linkcode profileNames}. */
export type ProfileName = typeof profileNames[number];

/** How one algorithm is run within a plan. */
export interface Run extends Pick<Cell["evaluation"], "sampling" | "setting"> {
  algorithm: AnyAlgorithm;
  /** Settings that differ from the algorithm's own for a task. */
  overrides: Readonly<Record<string, unknown>>;
  /** Further ones of single tasks. */
  perTask?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** As in {@linkcode EvaluationPlan}. @default 1 */
  candidates?: number;
  /** What samples the diffusion model. */
  sampled?: AnyAlgorithm;
  /** For the defaults on tasks of which the algorithm has no preset. */
  preset?: typeof noPreset;
}

/** Nothing but settings of `C`. */
type Settings<C, O> = O & { [Name in Exclude<keyof O, keyof C>]: never };

/** A run of an algorithm; a setting that it does not have is a type error. */
export function run<C extends CommonConfig, O extends Partial<C>>(
  algorithm: Algorithm<C>,
  overrides: Settings<C, O>,
  more: {
    perTask?: Readonly<Record<string, Partial<NoInfer<C>>>>;
    candidates?: number;
    sampled?: AnyAlgorithm;
    sampling?: readonly SamplingRule[];
    setting?: keyof C & string;
    preset?: typeof noPreset;
  } = {},
): Run {
  return { algorithm: algorithm as unknown as AnyAlgorithm, overrides, ...more };
}

/** Runs on tasks. */
export interface Plan {
  tasks: readonly string[];
  runs: readonly Run[];
  /** Why the settings differ. */
  source: string;
  seeds: readonly number[];
  /** Evaluation episodes, or samples of a bandit's policy. */
  episodes: number;
  /** Evaluations on the way, evenly spread, and their episodes. @default none */
  curve?: { points: number; episodes: number };
}

/** What a cell will take. */
export interface Estimate {
  seconds: number;
  memoryMiB: number;
}

/** A claim that cells can answer. */
export interface Claim<R> {
  id: string;
  paper: Paper;
  claim: string;
  /** Where the paper says it. */
  source: string;
  mark: Mark;
  /** The paper's number or words. */
  quoted: string;
  /** How what is done here differs in any profile; the settings of the cells say the rest. */
  protocol: string;
  /** What must be measured for the claim to hold. */
  atLeast?: number;
  atMost?: number;
  measure(runs: readonly Evaluation<R>[]): Measured[];
  /** The baseline whose policies must have learnt for a comparison with them to decide anything, and what they must not be below. */
  floor?: Acting & { above: "data" | "data and BC" };
}

/** Tables and figures by the names of their files. */
export interface Exhibits {
  tables: Record<string, Table>;
  figures: Record<string, TopLevelSpec>;
}

/** An experiment; `R` is what its study says beside scores. */
export interface Experiment<R> {
  name: string;
  title: string;
  study: Study<R>;
  plans: Readonly<Record<ProfileName, readonly Plan[]>>;
  /** Profiles that run it only if it is named. */
  onRequest?: readonly ProfileName[];
  /** A rough guess of a cell's time on one core and its memory. */
  estimate(cell: Cell): Estimate;
  /** Its part of the report, of runs that are at least one. */
  section(runs: readonly Evaluation<R>[], notes: string[]): Exhibits;
  claims: readonly Claim<R>[];
  /** Further experiments, made of the runs of others. @default none */
  derived?(experiments: readonly AnyExperiment[]): AnyExperiment[];
}

/** An experiment of any result. */
export type AnyExperiment = Experiment<unknown>;
