/**
 * Scores of the ways to act that finished cells tried, over their seeds.
 *
 * @module
 */

import { normalizedScore } from "../environments/scores.ts";
import { algorithms, type Cell, type SamplingRule } from "./cell.ts";
import { mean, pairedDifferences } from "./statistics.ts";
import type { Evaluation } from "./train.ts";

/** One way to act, over seeds. */
export interface RuleTimes {
  experiment: string;
  task: string;
  algorithm: Cell["algorithm"];
  /** The algorithm in words, or whose model is sampled. */
  method: string;
  acting: string;
  /** Network calls per action, where a policy is sampled. */
  sampling?: SamplingRule;
  /** Training seeds, ascending; what follows is in their order. */
  seeds: number[];
  /** Per seed, milliseconds per action at batch 1. */
  actMs: number[];
}

/** One way to act, over seeds, with its scores. */
export interface RuleScores extends RuleTimes {
  /** Per seed, the normalized scores of its episodes: all start states by its first policy, then all by the next. */
  scores: number[][];
  /** Start states, the same for all seeds. */
  starts: number;
  /** Normalized score of the dataset's episodes on average. */
  datasetMean: number;
}

const deterministic: readonly string[] = ["srpo", "bc", "iql", "td3_bc", "rebrac"];

function actingName(algorithm: string, candidates: number, sampling?: SamplingRule): string {
  const several = candidates === 1 ? "" : `${sampling?.choice ?? "softmax"} of ${candidates}`;
  if (sampling) return `${sampling.calls} calls, ${sampling.sampler}${several && `, ${several}`}`;
  return several || (deterministic.includes(algorithm) ? "one pass" : "one sample");
}

/** One entry per (experiment, task, method, acting rule), in the order in which they are met. */
export function groupRules(evaluations: readonly Evaluation[]): RuleScores[] {
  const groups = new Map<string, RuleScores>();
  const ordered = evaluations.filter((e) => e.environment).sort((a, b) => a.cell.seed - b.cell.seed);
  for (const { cell, environment, distillation } of ordered) {
    const { experiment, task, algorithm, seed, evaluation: { episodes: starts } } = cell;
    const setting = experiment === "sizes"
      ? `${distillation!.pairs} pairs: `
      : experiment === "exponents"
      ? `exponent ${distillation!.densityExponent}: `
      : "";
    for (const { candidates, sampling, acting: said, scores, actMs } of environment!.rules) {
      const acting = `${setting}${said ?? actingName(algorithm, candidates, sampling)}`;
      const method = algorithms[sampling ? "behaviour_sampling" : algorithm].title;
      const key = [experiment, task, algorithm, method, acting].join("/");
      const datasetMean = normalizedScore(task, environment!.datasetMean);
      const group = groups.get(key) ??
        {
          experiment,
          task,
          algorithm,
          method,
          acting,
          sampling,
          seeds: [],
          scores: [],
          starts,
          actMs: [],
          datasetMean,
        };
      group.seeds.push(seed);
      group.scores.push(scores);
      group.actMs.push(actMs);
      groups.set(key, group);
    }
  }
  return [...groups.values()];
}

/** One entry per (experiment, task, method, acting rule) of cells that were only timed. */
export function groupLatencies(evaluations: readonly Evaluation[]): (RuleTimes & { batchMs: number[] | null })[] {
  const groups = new Map<string, RuleTimes & { batchMs: number[] | null }>();
  const ordered = evaluations.filter((e) => e.latency).sort((a, b) => a.cell.seed - b.cell.seed);
  for (const { cell: { experiment, task, algorithm, seed }, latency } of ordered) {
    for (const { candidates, sampling, actMs, batchMs } of latency!) {
      const acting = actingName(algorithm, candidates, sampling);
      const method = algorithms[sampling ? "behaviour_sampling" : algorithm].title;
      const key = [experiment, task, algorithm, method, acting].join("/");
      const group = groups.get(key) ??
        {
          experiment,
          task,
          algorithm,
          method,
          acting,
          sampling,
          seeds: [],
          actMs: [],
          batchMs: batchMs === null ? null : [],
        };
      group.seeds.push(seed);
      group.actMs.push(actMs);
      if (batchMs !== null) group.batchMs?.push(batchMs);
      groups.set(key, group);
    }
  }
  return [...groups.values()];
}

/**
 * Scores of `a` minus those of `b`, start state by start state, over the seeds that both have; null if they have none in common or
 * played different starts. Several policies of a seed are averaged where the other has another number of them.
 */
export function differencesOf(a: RuleScores, b: RuleScores): number[][] | null {
  const common = a.seeds.filter((seed) => b.seeds.includes(seed));
  const of = (group: RuleScores) => common.map((seed) => group.scores[group.seeds.indexOf(seed)]);
  const [x, y] = [of(a), of(b)];
  if (common.length === 0 || a.starts !== b.starts) return null;
  if (x.every((seed, i) => seed.length === y[i].length)) return pairedDifferences(x, y);
  const averaged = (scores: number[][]) =>
    scores.map((seed) =>
      Array.from({ length: a.starts }, (_, start) => mean(seed.filter((_, k) => k % a.starts === start)))
    );
  return pairedDifferences(averaged(x), averaged(y));
}

/** Mean score of every way to act in one evaluation, or what a bandit's policy does, in words. */
export function normalizedScores(evaluation: Evaluation): { acting: string; text: string }[] {
  const { bandit } = evaluation;
  if (bandit) {
    return [{
      acting: "one sample",
      text: `reward ${bandit.reward.toFixed(2)}, distance ${bandit.nearestMean.toFixed(2)}`,
    }];
  }
  return groupRules([evaluation]).map(({ acting, scores }) => ({
    acting,
    text: `${mean(scores[0]).toFixed(1)} over ${scores[0].length} episodes`,
  }));
}
