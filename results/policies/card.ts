/**
 * What an exported policy says of itself.
 *
 * @module
 */

import { join } from "node:path";
import type { Provenance } from "../../tools/machine.ts";
import { readRecord, type Shape } from "../../tools/records.ts";

/** What an exported policy says of itself; `card.json`. */
export interface PolicyCard {
  algorithm: string;
  source: string;
  task: string;
  seed: number;
  updates: number;
  /**
   * Inputs of `policy.onnx`, by name; float32. `noise` is to be drawn from the unit Gaussian for every action. The dimension "batch" is
   * any number of observations.
   */
  inputs: Record<string, (number | "batch")[]>;
  outputs: Record<string, (number | "batch")[]>;
  /** Why the file takes one observation at a time, if it does. */
  oneAtATime?: string;
  observationSpace: { shape: number[] };
  actionSpace: { shape: number[]; low: number; high: number };
  physics: string;
  /** D4RL normalized scores of the run's own evaluation, last checkpoint. */
  scores: { acting: string; mean: number; episodes: number; msPerAction: number }[];
  trainingData: { id: string; transitions: number; licence: string };
  madeWith: Provenance;
  licence: string;
  /**
   * The run's diffusion model, to act by iteration: `denoiser.onnx`, how many network calls `denoiser.json` has noise levels for, and why
   * the file takes one observation at a time, if it does.
   */
  denoiser?: { calls: number[]; oneAtATime?: string };
  /** How the file was checked. */
  verified: { observations: number; largestAction: number };
}

const sizes: Shape = { shape: ["number"] };

/** The card of an exported policy; null if the folder has none. */
export const readCard = (folder: string): Promise<PolicyCard | null> =>
  readRecord<PolicyCard>(join(folder, "card.json"), {
    algorithm: "string",
    task: "string",
    seed: "number",
    inputs: "anything",
    observationSpace: sizes,
    actionSpace: sizes,
    scores: [{ acting: "string", mean: "number" }],
  });
