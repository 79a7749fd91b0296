/**
 * From finished cells to tables, figures and a report.
 *
 * @module
 */

import { join } from "node:path";
import type { Figure } from "../../data/show/figure.ts";
import { toArrow } from "../../data/show/arrow.ts";
import { toCsv, toLatex, toMarkdown } from "../../data/show/table.ts";
import { writeFigure } from "../../data/show/write_figure.ts";
import { makeFolder, writeAtomically } from "../../tools/files.ts";
import type { Failure } from "../cells/failure.ts";
import type { Evaluation } from "../cells/record.ts";
import type { ProfileName } from "../experiments/experiment.ts";
import { codeOf, experiments } from "../experiments/mod.ts";
import { type Paper, papers } from "../experiments/papers.ts";
import { timedTogether } from "../experiments/speed/together.ts";
import { profiles } from "../profiles.ts";
import { type Answer, answerClaims, claimsTable } from "./claims.ts";
import { bibliography } from "./cite.ts";
import { computeSection } from "./compute.ts";
import { datasetSections } from "./dataset_cards.ts";
import { reportPage } from "./page.ts";
import { quotedComparison } from "./quoted.ts";
import { learningFigure, type LoggedRun, loggedRuns } from "./runs.ts";
import type { Section } from "./section.ts";

/** What a report is about. */
export interface ReportSource {
  /** The results folder. */
  root: string;
  profile: ProfileName;
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

/**
 * Writes what the finished cells say below the results folder: `report.html`, and in `<profile>/` its tables (as CSV, Arrow, and in
 * `tables/` as LaTeX) and figures.
 */
export async function writeReport(source: ReportSource): Promise<Report> {
  const { root, profile, failures, planned } = source;
  const evaluations = timedTogether(source.evaluations);
  const folder = join(root, profile);
  await makeFolder(join(folder, "tables"));
  const runs = await loggedRuns(root, evaluations);
  const answers = answerClaims(evaluations, (experiment) => `deno task reproduce --only ${experiment}`);
  const sections = [
    claimsSection(answers, evaluations),
    ...experimentSections(evaluations, failures, runs),
    computeSection(root, evaluations),
    ...await datasetSections(evaluations),
  ];
  const rendered = new Map<string, Figure>();
  for (const { tables, figures } of sections) {
    for (const [name, table] of Object.entries(tables)) {
      await writeAtomically(join(folder, `${name}.csv`), toCsv(table));
      await writeAtomically(join(folder, `${name}.arrow`), toArrow(table));
      await writeAtomically(join(folder, "tables", `${name}.tex`), toLatex(table));
    }
    for (const [name, spec] of Object.entries(figures)) {
      rendered.set(name, await writeFigure(join(folder, name), spec));
    }
  }
  const heading = `Profile ${profile}, ${evaluations.length} of ${planned} cells`;
  const description = profiles[profile];
  await writeAtomically(join(folder, "README.md"), toPage(heading, description, sections));
  const page = join(root, "report.html");
  const used = {
    sources: evaluations.map(({ cell }) => codeOf(cell).algorithm.source),
    datasets: evaluations.flatMap(({ cell }) => cell.dataset === null ? [] : [cell.task]),
  };
  const bibtex = await bibliography(used);
  const content = { root, heading, description, answers, sections, rendered, evaluations, runs, bibtex };
  await writeAtomically(page, await reportPage(content));
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

function protocol(evaluations: readonly Evaluation[], failures: readonly Failure[]): string[] {
  const sources = [...new Set(evaluations.map((e) => e.cell.overridesSource).filter(Boolean))];
  return [
    ...sources.map((source) => `Settings: ${source}.`),
    ...(evaluations.some(({ updates }) => updates > 0) ? ["Last checkpoint of every seed; nothing is selected."] : []),
    ...failures.map(({ message }) => `Not in this table, as it failed: ${message.replace(/^Cannot train /, "")}.`),
  ];
}

function claimsSection(answers: readonly Answer[], evaluations: readonly Evaluation[]): Section {
  const quoted = (Object.keys(papers) as Paper[]).map((paper) =>
    [`quoted_${paper}`, quotedComparison(evaluations, paper)] as const
  ).filter(([, { rows }]) => rows.length > 0);
  return {
    name: "claims",
    title: "Claims",
    tables: { claims: claimsTable(answers), ...Object.fromEntries(quoted) },
    figures: {},
  };
}

function experimentSections(
  evaluations: readonly Evaluation[],
  failures: readonly Failure[],
  runs: readonly LoggedRun[],
): Section[] {
  return experiments.flatMap((experiment) => {
    const { name, title } = experiment;
    const own = evaluations.filter(({ cell }) => cell.experiment === name);
    const notes = protocol(own, failures.filter(({ cell }) => cell.experiment === name));
    if (own.length === 0) return [];
    const { tables, figures } = experiment.section(own, notes);
    const learning = learningFigure(title, runs.filter(({ evaluation }) => evaluation.cell.experiment === name));
    return [{ name, title, tables, figures: { ...figures, ...(learning ? { [`${name}_learning`]: learning } : {}) } }];
  });
}
