/**
 * Playing shipped runs again: their policies in the simulator, students of their distilled pairs trained anew.
 *
 * @module
 */

import { join } from "node:path";
import { bc } from "../../algorithms/bc.ts";
import type { AnyAlgorithm, Spec } from "../../algorithms/core/agent.ts";
import { runStream } from "../../algorithms/core/policy.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { anyBatch } from "../../algorithms/engine/any_batch.ts";
import type { NdArray } from "../../algorithms/engine/array.ts";
import { useBackend, useThreads } from "../../algorithms/engine/backend.ts";
import { type Checkpoint, decodeCheckpoint } from "../../algorithms/engine/checkpoint.ts";
import {
  type BehaviorDistillationConfig,
  createDistillation,
  type Pairs,
} from "../../algorithms/offline_behavior_distillation/mod.ts";
import type { Episode } from "../../environments/episodes.ts";
import { createPlayers, type Players } from "../../environments/play.ts";
import { normalizedScore } from "../../environments/scores.ts";
import { makeFolder, writeAtomically } from "../../tools/files.ts";
import { type Cell, cellFolder, cellRecord } from "../cells/cell.ts";
import { type CellCode, partHashes } from "../cells/fingerprint.ts";
import { openMetrics } from "../cells/metrics.ts";
import { type Evaluation, findEvaluation, type RuleResult } from "../cells/record.ts";
import { evaluationStream } from "../cells/study.ts";
import { actingName, type Progress, waitForFolder } from "../cells/train.ts";
import { policyConfig, type StitchingStudyConfig } from "../experiments/stitching/algorithm.ts";
import { withArrays } from "../scores/acting.ts";
import { playCell, type Player } from "../scores/play.ts";
import { readShipped, shippedFolder } from "./shipped.ts";

/** What a shipped run is played again with. */
interface ReplayWork {
  cell: Cell;
  algorithm: AnyAlgorithm;
  spec: Spec;
  acting: Checkpoint;
  /** The way to act whose label stands in the seeds of its noise. */
  rule: RuleResult;
  onProgress(note: string): void;
}

/** The policies of a rule, as they were played; of several the first `most`. */
type Replays = (work: ReplayWork, most: number) => Promise<Player[]>;

/** A training's policy. */
const ownPolicy: Replays = ({ cell, algorithm, spec, acting, rule }) => {
  const { config } = cell;
  const { arrays } = algorithm.create(config, spec).init(createRng("replaced"));
  const state = { updates: config.updates, arrays: withArrays(arrays, acting.tensors) };
  const seed = `${cell.task}/${cell.algorithm}/${cell.seed}/evaluation/1`;
  return Promise.resolve([{ algorithm, config, spec, state, seed, label: rule.rule.label }]);
};

/** Cloned policies, which lie one after the other. */
const clones: Replays = ({ cell, spec, acting, rule }, most) => {
  const config = policyConfig(cell.config as StitchingStudyConfig);
  const count = 1 + Math.max(...[...acting.tensors.keys()].map((path) => Number(path.split("/")[0])));
  return Promise.resolve(Array.from({ length: Math.min(count, most) }, (_, k) => {
    const { arrays } = bc.create(config, spec).init(createRng("replaced"));
    const own = [...acting.tensors].filter(([path]) => path.startsWith(`${k}/`));
    const params = new Map<string, NdArray>(own.map(([path, array]) => [`policy/params/${path.slice(2)}`, array]));
    const state = { updates: 0, arrays: withArrays(arrays, params) };
    const seed = `${cell.task}/${cell.algorithm}/${cell.seed}/evaluation/${rule.rule.label}/${k + 1}`;
    return {
      algorithm: bc as unknown as AnyAlgorithm,
      config,
      spec,
      state,
      seed,
      label: `policy ${k + 1} of ${count}`,
    };
  }));
};

/** Students of distilled pairs, trained anew. */
const students: Replays = async ({ cell, algorithm, spec, acting, onProgress }, most) => {
  const config = cell.config as BehaviorDistillationConfig;
  const distillation = createDistillation(config, spec);
  const [observation, action] = ["observation", "action"].map((name) => acting.tensors.get(name)!);
  const pairs: Pairs = { observation, action };
  const rng = evaluationStream(runStream({ task: cell.task, algorithm, seed: cell.seed }));
  const players: Player[] = [];
  const count = Math.min(config.students, most);
  for (let k = 0; k < count; k++) {
    onProgress(`training student ${k + 1} of ${count}`);
    const policy = await distillation.trainPolicy(pairs, rng.child(`students/${k}`));
    const state = { updates: 0, arrays: { policies: [policy] } };
    const label = "distilled pairs";
    const seed = `${cell.task}/${cell.algorithm}/${cell.seed}/evaluation/${label}`;
    players.push({ algorithm, config, spec, state, seed, label });
  }
  return players;
};

/** Of which rule the policies are, and how they come about, by experiment; others have none. */
const replays: Readonly<Record<string, { rule: string; policies: Replays }>> = {
  dtql: { rule: "own", policies: ownPolicy },
  srpo: { rule: "own", policies: ownPolicy },
  experts: { rule: "own", policies: ownPolicy },
  family: { rule: "own", policies: ownPolicy },
  stitching: { rule: "both", policies: clones },
  distillation: { rule: "distilled", policies: students },
  exponents: { rule: "distilled", policies: students },
  exponents_256: { rule: "distilled", policies: students },
};

/** Episodes that are played first, of a run's first policy; if one of them is not as recorded, all of all policies are. */
const firstEpisodes = 5;

/**
 * Plays a shipped run again; what the run says otherwise is as it was recorded.
 *
 * On the machine and build that made the run every return is the recorded one to its last digit. Elsewhere float32's rounding differs,
 * and what is played here takes the place of what was recorded.
 *
 * @param from Where shipped runs lie. @default this package's
 * @throws {Error} If the run's files are not there or not what was shipped.
 */
export async function playShipped(
  cell: Cell,
  code: CellCode,
  root: string,
  onProgress: (p: Progress) => void,
  from = shippedFolder,
): Promise<Evaluation> {
  const folder = cellFolder(root, cell);
  await makeFolder(folder);
  const said = (note: string) => onProgress({ done: 0, total: 1, note });
  using _lock = await waitForFolder(folder, ({ who, remedy }) => said(`${who} plays it${remedy}`));
  const { evaluation: done } = await findEvaluation(root, cell, code.study.result);
  if (done) return done;
  const { runs: [run], problems } = await readShipped(from, cell.shipped!.path);
  if (run?.sha256 !== cell.shipped!.sha256) {
    const [problem = `Cannot play "${cell.shipped!.path}": it is shipped no more`] = problems;
    throw new Error(problem);
  }
  const recorded = run.evaluation;
  const isSame = run.code === partHashes(cell, code).code;
  const replay = { code: isSame ? "same" : "older", episodes: 0, equal: 0 } as const;
  const how = cell.shipped!.playable ? replays[cell.experiment] : undefined;
  const rule = recorded.environment?.rules.find(({ rule }) => rule.id === how?.rule);
  const evaluation: Evaluation = how && rule
    ? { ...recorded, ...await playAgain(how.policies, rule), cell }
    : { ...recorded, replay, cell };
  const { preset, datasetSha256 } = run;
  const { source } = code.algorithm;
  const { madeWith } = recorded;
  const record = { cell: cellRecord(cell), preset, source, code: run.code, datasetSha256, madeWith };
  await writeAtomically(join(folder, "run.json"), JSON.stringify(record, null, 2));
  const log = await openMetrics(folder, 0);
  for (const { update, ...values } of run.metrics) await log.append(update, values);
  await writeAtomically(join(folder, "evaluation.json"), JSON.stringify({ ...evaluation, cell: cellRecord(cell) }));
  return evaluation;

  async function playAgain(policies: Replays, rule: RuleResult): Promise<Pick<Evaluation, "environment" | "replay">> {
    await useBackend(cell.backend);
    useThreads(cell.threads ?? 1);
    const acting = decodeCheckpoint(await Deno.readFile(join(from, run.path, actingName)));
    const spec: Spec = JSON.parse(acting.metadata.spec);
    const work = { cell, algorithm: code.algorithm, spec, acting, rule, onProgress: said };
    const [one] = await policies(work, 1);
    const { algorithm, config, state } = one;
    const file = anyBatch(algorithm.create(config, spec).exportPolicy(state));
    await writeAtomically(join(folder, "policy.onnx"), file.bytes);
    using players = createPlayers();
    const { episodes: count } = cell.evaluation;
    const first = await playAll(players, [one], Math.min(firstEpisodes, count));
    const isRecorded = ({ episodeReturn }: Episode, policy: number, episode: number) =>
      rule.episodes[policy * count + episode].episodeReturn === episodeReturn;
    const equalOf = (played: Episode[][]) =>
      played.reduce((sum, own, k) => sum + own.filter((episode, i) => isRecorded(episode, k, i)).length, 0);
    const tried = first.flat().length;
    if (equalOf(first) === tried) {
      return { environment: recorded.environment, replay: { ...replay, episodes: tried, equal: tried } };
    }
    const all = await playAll(players, await policies(work, Infinity), count);
    const episodes = all.flat();
    const scores = episodes.map(({ episodeReturn }) => normalizedScore(cell.task, episodeReturn));
    const environment = recorded.environment!;
    const rules = environment.rules.map((other) => other === rule ? { ...rule, episodes, scores } : other);
    return {
      environment: { ...environment, rules },
      replay: { ...replay, episodes: episodes.length, equal: equalOf(all) },
    };
  }

  async function playAll(players: Players, policies: readonly Player[], episodes: number): Promise<Episode[][]> {
    const all: Episode[][] = [];
    for (const policy of policies) {
      const plan = { ...cell, evaluation: { ...cell.evaluation, episodes } };
      all.push((await playCell(players, plan, policy, said)).episodes);
    }
    return all;
  }
}
