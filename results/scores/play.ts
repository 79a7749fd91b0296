/**
 * Playing a policy of a cell in its task's simulator.
 *
 * @module
 */

import type { AgentState, AnyAlgorithm, Spec } from "../../algorithms/core/agent.ts";
import type { CommonConfig } from "../../algorithms/core/config.ts";
import type { Players } from "../../environments/play.ts";
import { normalizedScore } from "../../environments/scores.ts";
import type { Cell } from "../cells/cell.ts";
import type { RuleResult } from "../cells/record.ts";

/** The physics of all evaluations. */
export const physics = "d4rl";

/** A policy, and how it acts. */
export interface Player {
  algorithm: AnyAlgorithm;
  config: CommonConfig;
  spec: Spec;
  state: AgentState;
  /** @default 1 */
  candidates?: number;
  /** Seed of its noise. */
  seed: string;
  /** What it is, for a progress bar. */
  label: string;
}

/** Plays the cell's episodes. */
export async function playCell(
  players: Players,
  { task, backend, evaluation: { episodes: count } }: Pick<Cell, "task" | "backend" | "evaluation">,
  { algorithm, label, candidates = 1, ...policy }: Player,
  onProgress: (note: string) => void,
): Promise<Pick<RuleResult, "episodes" | "scores">> {
  const { module, name } = algorithm;
  const job = { module, name, ...policy, backend, task, physics, episodes: count, candidates } as const;
  const episodes = await players.play(job, algorithm, (running, step) => {
    if (step % 50 === 0) onProgress(`evaluating ${label}, step ${step}, ${running} running`);
  });
  return { episodes, scores: episodes.map(({ episodeReturn }) => normalizedScore(task, episodeReturn)) };
}
