/**
 * What an exported policy says of itself.
 *
 * @module
 */

import { join } from "node:path";
import { sha256Hex } from "../../tools/digest.ts";
import type { Provenance } from "../../tools/machine.ts";
import { readRecord, type Shape } from "../../tools/records.ts";

/** What an exported policy says of itself; `card.json`. */
export interface PolicyCard {
  algorithm: string;
  source: string;
  task: string;
  seed: number;
  updates: number;
  /** Updates that its training was to have, if it has not ended. */
  planned?: number;
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
  /** D4RL normalized scores of the run's own evaluation, last checkpoint; `train()` measures no times. */
  scores: { acting: string; mean: number; episodes: number; msPerAction?: number }[];
  /** `transitions` are missing of policies that `save()` wrote. */
  trainingData: { id: string; transitions?: number; licence: string };
  /** Missing likewise. */
  madeWith?: Provenance;
  licence: string;
  /**
   * The run's diffusion model, to act by iteration: `denoiser.onnx`, how many network calls `denoiser.json` has noise levels for, and why
   * the file takes one observation at a time, if it does.
   */
  denoiser?: { calls: number[]; oneAtATime?: string };
  /** How the file was checked. */
  verified: { observations: number; largestAction: number };
  /** SHA-256 of the files beside the card, by name. Older cards have none. */
  sha256?: Record<string, string>;
}

const sizes: Shape = { shape: ["number"] };

const cardShape: Shape = {
  algorithm: "string",
  task: "string",
  seed: "number",
  inputs: "anything",
  observationSpace: sizes,
  actionSpace: sizes,
  scores: [{ acting: "string", mean: "number" }],
};

const cardName = "card.json";

/** Bytes of a file of an export, beyond which it is no policy of ours; the papers' planners have 240 MB. */
const mostBytes = 2 ** 29;

/**
 * An exported policy's card and files, by name; null if the folder has no card.
 *
 * @throws {Error} If a file is missing, a link, larger than 512 MiB or not what the card says; the message names it.
 */
export async function readExport(
  folder: string,
): Promise<{ card: PolicyCard; files: Map<string, Uint8Array<ArrayBuffer>> } | null> {
  if (!await Deno.lstat(join(folder, cardName)).catch(() => null)) return null;
  const files = new Map([[cardName, await readPlain(join(folder, cardName))]]);
  const card = (await readRecord<PolicyCard>(join(folder, cardName), cardShape))!;
  for (const name of ["policy.onnx", ...(card.denoiser ? ["denoiser.onnx", "denoiser.json"] : [])]) {
    const path = join(folder, name);
    const bytes = await readPlain(path);
    const [wanted, current] = [card.sha256?.[name], sha256Hex(bytes)];
    if (card.sha256 && wanted !== current) {
      throw new Error(
        `Cannot read "${path}": its SHA-256 must be the card's, ${
          wanted ?? "which has none"
        }, current is ${current}; export the run again`,
      );
    }
    files.set(name, bytes);
  }
  return { card, files };
}

/** A file that is one: what a link leads to is not the export's to hand out. */
async function readPlain(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const failed = (why: string) => new Error(`Cannot read "${path}": ${why}`);
  const info = await Deno.lstat(path).catch(() => null);
  if (!info) throw failed("it must be there; export the run again");
  if (!info.isFile) throw failed(`it must be a regular file, current is ${info.isSymlink ? "a link" : "none"}`);
  if (info.size > mostBytes) throw failed(`it must have at most ${mostBytes} bytes, current size is ${info.size}`);
  return await Deno.readFile(path);
}
