/**
 * From finished cells to tables, figures and a report.
 *
 * @module
 */

import { table as frame } from "arquero";
import { basename, join, relative } from "node:path";
import type { TopLevelSpec } from "vega-lite";
import { datasetCard } from "../data/card.ts";
import { loadDataset } from "../data/dataset.ts";
import type { Figure } from "../data/show/figure.ts";
import { type Table, toCsv, toMarkdown } from "../data/show/table.ts";
import { aggregateTable, profileFigure } from "./aggregate_report.ts";
import { banditFigure, banditTable } from "./bandit_report.ts";
import { algorithms, cellFolder, cellLabel } from "./cell.ts";
import { type Answer, answerClaims, claimsTable, quotedComparison } from "./claims.ts";
import {
  curvesFigure,
  distillationTable,
  exponentsFigure,
  projectionFigure,
  sizesFigure,
} from "./distillation_report.ts";
import { diagnosisFigure, diagnosisTable } from "./diagnosis.ts";
import { differenceTable, environmentFigure, scoreTable, speedFigure } from "./environment_report.ts";
import { writeFigure } from "./figures.ts";
import type { Failure } from "./failure.ts";
import { makeFolder, writeAtomically } from "../tools/files.ts";
import { reportPage } from "./html.ts";
import { latencyTable } from "./latency.ts";
import { profiles } from "./profiles/mod.ts";
import { exampleFigure, passesTable, returnsFigure, stitchingTable } from "./stitching_report.ts";
import { toyFigure, toyTable } from "./toy.ts";
import type { RuleScores } from "./scores.ts";
import type { Evaluation } from "./train.ts";

/** A part of the report; tables and figures by the names of their files. */
export interface Section {
  name: string;
  title: string;
  tables: Record<string, Table>;
  figures: Record<string, TopLevelSpec>;
}

/** What a report is about. */
export interface ReportSource {
  /** The results folder. */
  root: string;
  profile: string;
  evaluations: readonly Evaluation[];
  /** Cells that were tried and failed: the tables say so. */
  failures: readonly Failure[];
  /** Cells that were planned. */
  planned: number;
}

/** A written report. */
export interface Report {
  answers: Answer[];
  sections: Section[];
  /** Path of the page. */
  page: string;
}

/** Writes what the finished cells say below the results folder: `report.html`, and tables and figures in `<profile>/`. */
export async function writeReport(source: ReportSource): Promise<Report> {
  const { root, profile, evaluations, failures, planned } = source;
  const folder = join(root, profile);
  await makeFolder(folder);
  const answers = answerClaims(evaluations, (experiment) => `deno task reproduce --only ${experiment}`);
  const sections = [
    claimsSection(answers, evaluations),
    ...experimentSections(evaluations, failures),
    computeSection(root, evaluations),
    ...await datasetSections(evaluations),
  ];
  const rendered = new Map<string, Figure>();
  for (const { tables, figures } of sections) {
    for (const [name, table] of Object.entries(tables)) {
      await writeAtomically(join(folder, `${name}.csv`), toCsv(table));
      await writeAtomically(join(folder, `${name}.arrow`), toArrow(table));
    }
    for (const [name, spec] of Object.entries(figures)) {
      rendered.set(name, await writeFigure(join(folder, name), spec));
    }
  }
  const heading = `Onestep: profile ${profile}, ${evaluations.length} of ${planned} cells`;
  const { description } = profiles[profile];
  await writeAtomically(join(folder, "README.md"), toPage(heading, description, sections));
  const page = join(root, "report.html");
  await writeAtomically(page, await reportPage(heading, description, answers, sections, rendered));
  return { answers, sections, page };
}

function toPage(heading: string, description: string, sections: readonly Section[]): string {
  const parts = sections.flatMap(({ title, tables, figures }) => [
    `# ${title}`,
    "",
    ...Object.values(tables).map(toMarkdown),
    ...Object.keys(figures).flatMap((name) => [`![${name}](${name}.svg)`, ""]),
  ]);
  return [`# ${heading}`, "", `The profile: ${description}.`, "", ...parts].join("\n");
}

/** A table as an Arrow file; columns of nothing but numbers are numbers. */
export function toArrow({ columns, rows }: Table): Uint8Array {
  const names = columns.map((name, i) => columns.indexOf(name) === i ? name : `${columns[i - 1]}, ${name}`);
  const plain = (text: string) => /^-?[\d.]+(e[+-]?\d+)?$/.test(text);
  const values = names.map((_, i) => {
    const texts = rows.map((row) => row[i]);
    return rows.length > 0 && texts.every(plain) ? Float64Array.from(texts, Number) : texts;
  });
  return frame(Object.fromEntries(names.map((name, i) => [name, values[i]]))).toArrowIPC({ format: "file" });
}

function protocol(evaluations: readonly Evaluation[], failures: readonly Failure[]): string[] {
  const sources = [...new Set(evaluations.map((e) => e.cell.overridesSource).filter(Boolean))];
  return [
    ...sources.map((source) => `Settings: ${source}.`),
    "Last checkpoint of every seed; nothing is selected.",
    ...failures.map(({ message }) => `Not in this table, as it failed: ${message.replace(/^Cannot train /, "")}.`),
  ];
}

function claimsSection(answers: readonly Answer[], evaluations: readonly Evaluation[]): Section {
  const comparison = quotedComparison(evaluations);
  return {
    name: "claims",
    title: "Claims",
    tables: { claims: claimsTable(answers), ...(comparison.rows.length > 0 ? { quoted: comparison } : {}) },
    figures: {},
  };
}

const experimentTitles: Record<string, string> = {
  speed: "Time per action",
  bandits: "Two-dimensional bandits",
  toy: "SRPO's toy study",
  dtql: "DTQL and Diffusion-QL",
  srpo: "SRPO, iterative sampling and baselines",
  stitching: "Trajectory stitching",
  distillation: "Offline behavior distillation",
  sizes: "Distilled pairs: how many",
  exponents: "SDW-OBD: how strongly density weighs",
  diagnosis: "State quality and state diversity",
};

/** The way to act that an experiment is about; the others are subtracted from it. */
const leading: Partial<Record<string, Pick<RuleScores, "algorithm" | "acting">>> = {
  dtql: { algorithm: "dtql", acting: "one sample" },
  srpo: { algorithm: "srpo", acting: "one pass" },
  stitching: { algorithm: "stitching", acting: "BC of generated and stitched data" },
  distillation: { algorithm: "av_pbc", acting: "distilled pairs" },
};

function experimentSections(evaluations: readonly Evaluation[], failures: readonly Failure[]): Section[] {
  const experiments = [...new Set(evaluations.map(({ cell }) => cell.experiment))];
  return experiments.map((experiment): Section => {
    const own = evaluations.filter(({ cell }) => cell.experiment === experiment);
    const tables: Section["tables"] = {};
    const figures: Section["figures"] = {};
    const notes = protocol(own, failures.filter(({ cell }) => cell.experiment === experiment));
    const of = (kind: "bandit" | "toy" | "environment" | "stitching" | "distillation" | "diagnosis" | "latency") =>
      own.filter((e) => e[kind]);
    if (of("latency").length > 0) tables.speed = latencyTable(own, notes.slice(0, 1));
    if (of("bandit").length > 0) {
      tables.bandits = banditTable(own, notes);
      figures.bandits = banditFigure(own);
    }
    if (of("toy").length > 0) {
      tables.toy = toyTable(own, notes);
      figures.toy = toyFigure(own);
    }
    const environments = of("environment");
    if (environments.length > 0) {
      tables[`${experiment}_scores`] = scoreTable(environments, notes);
      const lead = leading[experiment];
      const differences = lead && differenceTable(environments, lead);
      if (differences && differences.rows.length > 0) tables[`${experiment}_differences`] = differences;
      const tasks = new Set(environments.map(({ cell }) => cell.task));
      if (tasks.size > 1) {
        tables[`${experiment}_tasks`] = aggregateTable(environments);
        figures[`${experiment}_profiles`] = profileFigure(environments);
      }
      for (const task of tasks) {
        figures[`${experiment}_${task}`] = environmentFigure(environments.filter(({ cell }) => cell.task === task));
      }
      const sampled = environments.some((e) => e.environment!.rules.some(({ sampling }) => sampling));
      if (sampled) figures.speed = speedFigure(environments);
    }
    if (of("stitching").length > 0) {
      tables.stitching = stitchingTable(own, notes);
      tables.stitching_passes = passesTable(own);
      figures.stitching_returns = returnsFigure(own);
      figures.stitching_example = exampleFigure(own);
    }
    if (of("distillation").length > 0) {
      tables[experiment] = distillationTable(own, notes);
      figures[`${experiment}_curves`] = curvesFigure(own);
      if (experiment === "sizes") figures.sizes = sizesFigure(environments);
      else if (experiment === "exponents") figures.exponents = exponentsFigure(own);
      else figures.distillation_states = projectionFigure(own);
    }
    if (of("diagnosis").length > 0) {
      tables.diagnosis = diagnosisTable(own, notes);
      figures.diagnosis = diagnosisFigure(own);
    }
    return { name: experiment, title: experimentTitles[experiment] ?? experiment, tables, figures };
  });
}

/** Every cell, with its folder, and what it was made with. */
function computeSection(root: string, evaluations: readonly Evaluation[]): Section {
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const groups = Map.groupBy(evaluations, ({ cell }) => `${cell.experiment}/${cell.algorithm}`);
  const made = [...new Set(evaluations.map(({ madeWith }) => JSON.stringify(madeWith)))];
  return {
    name: "compute",
    title: "Compute and cells",
    tables: {
      compute: {
        title: "Training time",
        columns: ["experiment", "method", "cells", "seconds in all", "seconds per cell"],
        rows: [...groups.values()].map((group) => {
          const total = sum(group.map(({ trainingMs }) => trainingMs));
          const [{ cell }] = group;
          return [
            cell.experiment,
            algorithms[cell.algorithm].title,
            `${group.length}`,
            seconds(total),
            seconds(total / group.length),
          ];
        }),
        notes: ["Wall-clock seconds of training, without evaluation; cells may have shared the machine's cores."],
      },
      machines: {
        title: "Machines and versions",
        columns: ["cells", "processor", "cores", "memory, GiB", "system", "Deno", "Onestep", "commit"],
        rows: made.map((text) => {
          const { machine, versions } = JSON.parse(text) as Evaluation["madeWith"];
          return [
            `${evaluations.filter(({ madeWith }) => JSON.stringify(madeWith) === text).length}`,
            machine.processor,
            `${machine.cores}`,
            `${machine.memoryGiB}`,
            machine.system,
            versions.deno,
            versions.onestep,
            versions.commit ?? "unknown",
          ];
        }),
        notes: [],
      },
      cells: {
        title: "Cells",
        columns: ["cell", "updates", "seconds", "folder"],
        rows: evaluations.map(({ cell, updates, trainingMs }) => [
          cellLabel(cell),
          `${updates}`,
          seconds(trainingMs),
          relative(root, cellFolder(root, cell)),
        ]),
        notes: [
          "Each folder holds run.json (all settings and where they come from), metrics.jsonl, checkpoint.safetensors, policy.onnx " +
          "and evaluation.json (every episode's return).",
        ],
      },
    },
    figures: {},
  };
}

const cards = new Map<string, Promise<Section>>();

/** The cards of the datasets in use; each is made once per process. */
async function datasetSections(evaluations: readonly Evaluation[]): Promise<Section[]> {
  const paths = [...new Set(evaluations.flatMap(({ cell }) => cell.dataset ?? []))];
  const sections: Section[] = [];
  for (const path of paths) {
    try {
      if (!cards.has(path)) cards.set(path, cardSection(path));
      sections.push(await cards.get(path)!);
    } catch {
      cards.delete(path); // The file is gone; the scores stand without its card.
    }
  }
  return sections;
}

async function cardSection(path: string): Promise<Section> {
  const card = datasetCard(await loadDataset(path));
  const id = basename(path, ".hdf5");
  const name = `dataset_${id.replaceAll(/[^a-z0-9]+/gi, "_")}`;
  const tables = Object.fromEntries(card.tables.map((table, i) => [i === 0 ? name : `${name}_dimensions`, table]));
  return { name, title: `Dataset ${id}`, tables, figures: { [name]: card.figure } };
}
