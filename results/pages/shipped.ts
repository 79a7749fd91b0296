/**
 * Numbers and pictures of pages, from the shipped runs alone: the two cannot differ.
 *
 * A page names a block between `<!-- shipped: name -->` and `<!-- end of shipped -->`; what stands between is written here.
 *
 * @module
 */

import { join } from "node:path";
import type { TopLevelSpec } from "vega-lite";
import type { Table } from "../../data/show/table.ts";
import { resultsFolder, workspaceFolder } from "../../tools/paths.ts";
import type { Evaluation } from "../cells/record.ts";
import type { BridgeRun } from "../experiments/bridges/claims.ts";
import {
  bridgeOfflineFigures,
  type BridgeOfflineRun,
  bridgeOfflineSummary,
} from "../experiments/bridges/offline_section.ts";
import { bridgeFigures, bridgeSummary } from "../experiments/bridges/section.ts";
import { exampleFigure, returnsFigure, type StitchingRun } from "../experiments/stitching/section.ts";
import { type DistillationRun, exponentsFigure } from "../experiments/distillation/section.ts";
import { banditFigure, type BanditRun } from "../experiments/bandits/section.ts";
import { toyFigure, type ToyRun } from "../experiments/toy/section.ts";
import { latencies, type SpeedRun } from "../experiments/speed/section.ts";
import { scoredExperiments, timedTogether } from "../experiments/speed/together.ts";
import { answerClaims, digits, intervalText, wanted } from "../report/claims.ts";
import { papers } from "../experiments/papers.ts";
import { curvesFigure, scorePoints } from "../scores/curves.ts";
import { differencesOf, groupRules, type RuleScores, wayLabel } from "../scores/groups.ts";
import { mean } from "../scores/mean.ts";
import { measured } from "../scores/measures.ts";
import { bootstrapMean } from "../scores/statistics.ts";
import { environmentFigure, range, speedFigure } from "../scores/tables.ts";

/** A Markdown table as `deno fmt` leaves it. */
function markdown(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "No such run is shipped yet.";
  const widths = columns.map((name, i) => Math.max(3, name.length, ...rows.map((row) => row[i].length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  return [line(columns), `| ${widths.map((n) => "-".repeat(n)).join(" | ")} |`, ...rows.map(line)].join("\n");
}

const tableOf = ({ columns, rows }: Table) => markdown(columns, rows);

const scoreText = (group: Pick<RuleScores, "scores">) => {
  const interval = bootstrapMean(group.scores);
  return `${interval.mean.toFixed(1)}${interval.low === null ? "" : ` ${range(interval)}`}`;
};

/** A row per way to act, a column per task. */
function scoresOf(groups: readonly RuleScores[], label: (group: RuleScores) => string): string {
  if (groups.length === 0) return markdown([], []);
  const tasks = [...new Set(groups.map(({ task }) => task))].sort();
  const labels = [...new Set(groups.map(label))];
  const found = (name: string, task: string) => groups.find((group) => group.task === task && label(group) === name);
  const average = (name: string) => mean(tasks.flatMap((task) => found(name, task)?.scores.map(mean) ?? []));
  const data = tasks.map((task) => groups.find((group) => group.task === task)!.datasetMean.toFixed(1));
  const rows = labels.sort((a, b) => average(b) - average(a)).map((name) => [
    name,
    ...tasks.map((task) => {
      const group = found(name, task);
      return group ? scoreText(group) : "";
    }),
  ]);
  return markdown(["score", ...tasks], [["the data's own mean", ...data], ...rows]);
}

/** Updates at which methods are compared, beside the end of each. */
const equalUpdates = 8000;

/** A row per method, a column per task: the last evaluation that is not beyond so many updates, where there is a policy by then. */
function scoresBy(limit: number, evaluations: readonly Evaluation[]): string {
  const tasks = [...new Set(evaluations.map(({ cell }) => cell.task))].sort();
  const rows = [...Map.groupBy(evaluations, ({ cell }) => cell.title)].flatMap(([title, runs]) => {
    const points = runs.flatMap((run) =>
      scorePoints(run).filter(({ update }) => update <= limit).slice(-1).map((point) => ({ run, ...point }))
    );
    if (points.length === 0) return [];
    const scores = tasks.map((task) => {
      const own = points.filter(({ run }) => run.cell.task === task);
      return own.length === 0 ? "" : scoreText({ scores: own.map(({ scores }) => scores) });
    });
    return [[title, `${points[0].update}`, ...scores]];
  });
  return markdown(["score", "updates", ...tasks], rows);
}

const isMethod = ({ cell }: Evaluation) => scoredExperiments.includes(cell.experiment);

/** The claims of some papers, over tasks where there are several. */
function claimsOf(evaluations: readonly Evaluation[], chosen: (paper: string) => boolean): string {
  const answers = answerClaims(evaluations, () => "").filter(({ claim, ours }) => ours && chosen(claim.paper));
  return markdown(
    ["claim", "dataset", "here", "wanted", "verdict"],
    answers.map(({ claim, task, ours, verdict, why }, i) => [
      claim === answers[i - 1]?.claim ? "" : claim.claim,
      task!,
      `${digits(ours!.mean)} ${intervalText(ours!)}`.trim(),
      wanted(claim),
      why ? `${verdict}: ${why}` : verdict,
    ]),
  );
}

/** SDW-OBD's arms against pairs without weights, and the teacher in rare states against it in as many random ones, seed by seed. */
function pairedWeights(evaluations: readonly Evaluation[]): string {
  const groups = groupRules(evaluations);
  const find = (id: string, setting: string) =>
    groups.find(({ rule }) => rule.id === id && [rule.setting].flat().join() === setting);
  const arms = ["by rank", "exponent 0.05", "exponent 1"];
  const pairs: [what: string, own: RuleScores | undefined, other: RuleScores | undefined][] = [
    ...[["distilled", "one by one"], ["ensemble", "together"], ["disturbed", "after random steps"]].flatMap((
      [id, words],
    ) => arms.map((arm) => [`${arm} minus none, ${words}`, find(id, arm), find(id, "none")] as typeof pairs[number])),
    ...["0.1", "0.2"].map((share) =>
      [
        `teacher in the rarest ${100 * Number(share)} % of states minus in random ones`,
        find(`rare ${share}`, "none"),
        find(`random ${share}`, "none"),
      ] as typeof pairs[number]
    ),
  ];
  return markdown(
    ["difference", "here", "seeds"],
    pairs.flatMap(([what, own, other]) => {
      const differences = own && other && differencesOf(own, other);
      if (!differences) return [];
      const { ours, seeds } = measured(own.task, differences);
      return [[what, `${digits(ours.mean)} ${intervalText(ours)}`.trim(), seeds.map((x) => x.toFixed(1)).join(", ")]];
    }),
  );
}

/** Ways to act that the README's table has. */
const leading = [
  "SRPO, one pass",
  "DTQL, one sample",
  "FQL, one sample",
  "CPQL, one sample",
  "IQL, one pass",
  "TD3+BC, one pass",
  "BC, one pass",
];

/** What differs from method to method: policies of pairs of its own; the rest is shown once. */
const isOwnPairs = ({ algorithm, rule }: RuleScores) =>
  algorithm === "av_pbc" || ["distilled", "ensemble", "disturbed"].includes(rule.id);

/** What the blocks say, by their names. */
export function shippedBlocks(evaluations: readonly Evaluation[]): Record<string, string> {
  const methods = groupRules(evaluations.filter(isMethod));
  const of = (experiment: string) => groupRules(evaluations.filter(({ cell }) => cell.experiment === experiment));
  const times = latencies(evaluations.filter(({ cell }) => cell.experiment === "speed") as SpeedRun[]);
  const onePass = times.find(({ algorithm, rule }) => algorithm === "srpo" && rule.id === "own");
  const isLeading = (group: RuleScores) =>
    leading.includes(wayLabel(group)) ||
    /^(Behaviour|Diffusion-QL).*(15 calls, dpmpp2|of 16|of 50)$/.test(wayLabel(group));
  const blocks: Record<string, string> = {
    methods: scoresOf(methods, wayLabel),
    "methods at equal updates": scoresBy(equalUpdates, evaluations.filter(isMethod)),
    leading: scoresOf(methods.filter(isLeading), wayLabel),
    experts: scoresOf(of("experts"), wayLabel),
    stitching: scoresOf(of("stitching"), ({ acting }) => acting),
    distillation: scoresOf(of("distillation").filter(isOwnPairs), wayLabel),
    weights: scoresOf(of("exponents").filter(isOwnPairs), wayLabel),
    "weights, paired": pairedWeights(evaluations.filter(({ cell }) => cell.experiment === "exponents")),
    "weights of 256": scoresOf(of("exponents_256").filter(isOwnPairs), wayLabel),
    "weights of 256, paired": pairedWeights(evaluations.filter(({ cell }) => cell.experiment === "exponents_256")),
    bridges: tableOf(bridgeSummary(evaluations.filter(({ cell }) => cell.experiment === "bridges") as BridgeRun[])),
    "bridges on datasets": tableOf(
      bridgeOfflineSummary(
        evaluations.filter(({ cell }) => cell.experiment === "bridges_offline") as BridgeOfflineRun[],
      ),
    ),
    times: markdown(
      ["method", "acting", "ms per action", "times SRPO's"],
      times.map(({ method, acting, actMs }) => [
        method,
        acting,
        mean(actMs).toFixed(3),
        onePass ? (mean(actMs) / mean(onePass.actMs)).toFixed(1) : "",
      ]),
    ),
  };
  for (const paper of Object.keys(papers)) {
    blocks[`claims of ${paper}`] = claimsOf(evaluations, (name) => name === paper);
  }
  return blocks;
}

/** Pictures of the gallery, by their names. */
export function shippedFigures(evaluations: readonly Evaluation[]): Record<string, TopLevelSpec> {
  const of = <R extends Evaluation>(experiment: string) =>
    evaluations.filter(({ cell }) => cell.experiment === experiment) as R[];
  const methods = timedTogether(evaluations).filter(isMethod);
  const first = <R extends Evaluation>(runs: readonly R[]) => {
    const least = Math.min(...runs.map(({ cell }) => cell.seed));
    return runs.filter(({ cell }) => cell.seed === least);
  };
  const figures: Record<string, TopLevelSpec> = {};
  const add = (name: string, runs: readonly Evaluation[], make: () => TopLevelSpec) => {
    if (runs.length > 0) figures[name] = make();
  };
  const hopper = methods.filter(({ cell }) => cell.task === "hopper-medium-replay-local");
  add("hopper", hopper, () => environmentFigure(hopper));
  add("speed", methods, () => speedFigure(methods));
  add("curves", methods, () => curvesFigure(methods));
  add("stitching_returns", of("stitching"), () => returnsFigure(of<StitchingRun>("stitching")));
  add("stitching_example", of("stitching"), () => exampleFigure(of<StitchingRun>("stitching")));
  add("weights", of("exponents"), () => exponentsFigure(of<DistillationRun>("exponents")));
  add("bandits", of("bandits"), () => banditFigure(first(of<BanditRun>("bandits"))));
  Object.assign(figures, bridgeFigures(of<BridgeRun>("bridges")));
  Object.assign(figures, bridgeOfflineFigures(of<BridgeOfflineRun>("bridges_offline")));
  add("toy", of("toy"), () => toyFigure(first(of<ToyRun>("toy"))));
  return figures;
}

/** Pages that have blocks. */
export const shippedPages: readonly string[] = [
  join(workspaceFolder, "README.md"),
  join(resultsFolder, "RESULTS.md"),
];

const block = /(<!-- shipped: (.*?) -->\n)[^]*?(<!-- end of shipped -->)/g;

/**
 * A page with its blocks written anew.
 *
 * @throws {RangeError} If it names a block that there is not.
 */
export const fillPage = (page: string, blocks: Readonly<Record<string, string>>): string =>
  page.replaceAll(block, (_, start: string, name: string, end: string) => {
    if (!Object.hasOwn(blocks, name)) {
      throw new RangeError(`Cannot fill a page: it names block "${name}", known are ${Object.keys(blocks).join(", ")}`);
    }
    return `${start}\n${blocks[name]}\n\n${end}`;
  });
