/**
 * The cards of the datasets that finished cells were trained on.
 *
 * @module
 */

import { datasetCard } from "../../data/card.ts";
import { loadDataset } from "../../data/dataset.ts";
import type { Evaluation } from "../cells/record.ts";
import type { Section } from "./section.ts";

const cards = new Map<string, Promise<Section>>();

/** One section per dataset; each is made once per process. */
export async function datasetSections(evaluations: readonly Evaluation[]): Promise<Section[]> {
  const used = new Map(evaluations.flatMap(({ cell }) => cell.dataset === null ? [] : [[cell.dataset, cell.task]]));
  const sections: Section[] = [];
  for (const [path, id] of used) {
    try {
      if (!cards.has(path)) cards.set(path, cardSection(path, id));
      sections.push(await cards.get(path)!);
    } catch {
      cards.delete(path); // The file is gone; the scores stand without its card.
    }
  }
  return sections;
}

async function cardSection(path: string, id: string): Promise<Section> {
  const card = datasetCard(await loadDataset(path, { id }));
  const name = `dataset_${id.replaceAll(/[^a-z0-9]+/gi, "_")}`;
  const tables = Object.fromEntries(card.tables.map((table, i) => [i === 0 ? name : `${name}_dimensions`, table]));
  return { name, title: `Dataset ${id}`, tables, figures: { [name]: card.figure } };
}
