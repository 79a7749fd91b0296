/**
 * A finished run as something to deploy: its policy in ONNX, a card that says what it is, and a README.
 *
 * @module
 */

import { basename, join } from "node:path";
import { createRng } from "../../algorithms/core/rng.ts";
import type { Spec } from "../../algorithms/core/agent.ts";
import type { NoiseLevel } from "../../algorithms/core/denoiser.ts";
import { anyBatch } from "../../algorithms/engine/any_batch.ts";
import { decodeCheckpoint } from "../../algorithms/engine/checkpoint.ts";
import { openPolicy } from "../../algorithms/engine/open_policy.ts";
import { catalog, datasetPath } from "../../data/catalog.ts";
import { loadTransitions } from "../../data/d4rl.ts";
import { localRecipes } from "../../data/recipes.ts";
import { createEnvironment } from "../../environments/environment.ts";
import { findTask } from "../../environments/tasks.ts";
import { sha256Hex } from "../../tools/digest.ts";
import { makeFolder, writeAtomically } from "../../tools/files.ts";
import type { Cell } from "../cells/cell.ts";
import { resume } from "../cells/run_folder.ts";
import { actingName, cellIdentity } from "../cells/train.ts";
import { readEvaluation } from "../cells/record.ts";
import { codeOf } from "../experiments/mod.ts";
import { groupRules } from "../scores/groups.ts";
import { bootstrapMean } from "../scores/statistics.ts";
import type { PolicyCard } from "./card.ts";

/** Observations that an exported policy is tried on. */
const trials = 1000;

/**
 * Writes `policy.onnx`, `card.json` and `README.md` of a run into a folder.
 *
 * @param run Folder of a finished run with an environment.
 * @throws {Error} If it is not finished, has no environment, or its policy leaves the action space.
 */
export async function exportRun(run: string, out: string): Promise<PolicyCard> {
  const failed = (why: string) => new Error(`Cannot export "${run}": ${why}`);
  const evaluation = await readEvaluation(run);
  if (!evaluation) {
    throw failed(
      "it must be the folder of a finished run of reproduce, as the report's table of cells links to them; of a training by train() or " +
        "`deno task train`, loadPolicy(folder).exportPolicy() gives the file",
    );
  }
  const { cell, environment, updates, madeWith } = evaluation;
  if (!environment) {
    throw failed(`it must have been trained for an environment, current is ${cell.experiment}`);
  }
  const { bytes, fixed } = anyBatch(await Deno.readFile(join(run, "policy.onnx")));
  using env = await createEnvironment(findTask(cell.task), "d4rl");
  const [observationDim, actionDim] = [env.observationSpace.shape[0], env.actionSpace.shape[0]];
  const policy = await openPolicy(bytes);
  const verified = await tryPolicy(policy, cell, observationDim, failed);
  const denoiser = await denoiserOf(run, cell, { observationDim, actionDim, maxAction: 1, ...await keptSpec(run) });
  const files = new Map([["policy.onnx", bytes]]);
  if (denoiser) {
    files.set("denoiser.onnx", denoiser.bytes);
    files.set("denoiser.json", new TextEncoder().encode(`${JSON.stringify(denoiser.levels)}\n`));
  }
  const card: PolicyCard = {
    algorithm: cell.title,
    source: codeOf(cell).algorithm.source,
    task: cell.task,
    seed: cell.seed,
    updates,
    inputs: Object.fromEntries(Object.entries(policy.inputs).map(([name, shape]) => [name, dimensions(shape, fixed)])),
    outputs: { action: dimensions([1, actionDim], fixed) },
    ...(fixed === null ? {} : { oneAtATime: fixed }),
    observationSpace: { shape: [observationDim] },
    actionSpace: { shape: [actionDim], low: -1, high: 1 },
    physics: environment.physics,
    scores: groupRules([evaluation]).map(({ acting, scores, actMs }) => ({
      acting,
      mean: Number(bootstrapMean(scores).mean.toFixed(2)),
      episodes: scores[0].length,
      msPerAction: Number(actMs[0].toFixed(4)),
    })),
    trainingData: {
      id: cell.task,
      transitions: environment.datasetTransitions,
      licence: catalog.get(cell.task)?.licence ?? (cell.task in localRecipes ? "MIT, made by Onestep" : "unknown"),
    },
    madeWith,
    licence: "MIT",
    ...(denoiser && {
      denoiser: { calls: denoiser.calls, ...(denoiser.fixed === null ? {} : { oneAtATime: denoiser.fixed }) },
    }),
    verified,
    sha256: Object.fromEntries([...files].map(([name, content]) => [name, sha256Hex(content)])),
  };
  await makeFolder(out);
  for (const [name, content] of files) await writeAtomically(join(out, name), content);
  await writeAtomically(join(out, "card.json"), `${JSON.stringify(card, null, 2)}\n`);
  await writeAtomically(join(out, "README.md"), cardPage(card));
  return card;
}

/** A shape of the file, by its shape for one observation. */
const dimensions = (shape: readonly number[], fixed: string | null): (number | "batch")[] =>
  fixed === null ? ["batch", ...shape.slice(1)] : [...shape];

/** Noise levels by number of network calls; `denoiser.json`. */
export type LevelTable = Record<string, NoiseLevel[]>;

/** What the run's policies were created for, where its folder says it. */
async function keptSpec(run: string): Promise<Partial<Spec>> {
  const bytes = await Deno.readFile(join(run, actingName)).catch(() => null);
  return bytes ? JSON.parse(decodeCheckpoint(bytes).metadata.spec) : {};
}

/** The run's diffusion model, from its checkpoint; null for an algorithm without, or a run whose policy alone was shipped. */
async function denoiserOf(run: string, cell: Cell, spec: Spec) {
  if (cell.shipped) return null;
  const agent = codeOf(cell).algorithm.create(cell.config, spec);
  if (!agent.exportDenoiser) return null;
  const { state } = await resume(run, agent.init(createRng("any")), cellIdentity(cell));
  const { bytes, levels, mostNfe } = agent.exportDenoiser(state);
  const file = anyBatch(bytes);
  const calls = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100].filter((n) => n <= mostNfe);
  const table: LevelTable = Object.fromEntries(calls.map((n) => [n, levels(n)]));
  return { ...file, calls, levels: table };
}

type Policy = Awaited<ReturnType<typeof openPolicy>>;

/** Runs the policy on observations of its data, and on random ones where the data are gone. */
async function tryPolicy(policy: Policy, cell: Cell, dim: number, failed: (why: string) => Error) {
  const rng = createRng("export");
  let rows = rng.fillNormal(new Float32Array(trials * dim));
  try {
    const data = await loadTransitions(datasetPath(cell.task), { id: cell.task });
    rows = Float32Array.from(
      { length: trials * dim },
      (_, i) => data.observation[Math.floor(Math.floor(i / dim) * data.count / trials) * dim + i % dim],
    );
  } catch {
    // The dataset is not on this machine.
  }
  let largest = 0;
  for (let i = 0; i < trials; i++) {
    const feeds = Object.fromEntries(
      Object.entries(policy.inputs).map(([name, shape]) => [
        name,
        name === "observation"
          ? rows.subarray(i * dim, (i + 1) * dim)
          : rng.fillNormal(new Float32Array(shape.reduce((a, b) => a * b))),
      ]),
    );
    const action = await policy.act(feeds);
    for (const x of action) {
      if (!Number.isFinite(x) || Math.abs(x) > 1 + 1e-6) {
        throw failed(`actions must be in [-1, 1], current value is ${x} at observation ${i}`);
      }
      largest = Math.max(largest, Math.abs(x));
    }
  }
  return { observations: trials, largestAction: Number(largest.toFixed(6)) };
}

/** A card as a page. */
export function cardPage(card: PolicyCard): string {
  const noise = card.inputs.noise?.slice(1);
  const one = card.oneAtATime !== undefined;
  const shown = (shape: readonly (number | string)[]) => `[${shape.join(", ")}]`;
  const inputs = Object.entries(card.inputs).map(([name, shape]) => `\`${name}\` ${shown(shape)}`).join(" and ");
  const scores = card.scores.map(({ acting, mean, episodes, msPerAction }) =>
    `| ${acting} | ${mean} | ${episodes} | ${msPerAction} |`
  ).join("\n");
  const drawn = one ? card.inputs.noise : ["len(observations)", ...noise ?? []];
  const python = [
    one
      ? 'feeds = {"observation": observation[None].astype(np.float32)}'
      : `feeds = {"observation": observations.astype(np.float32)}  # ${
        shown(card.inputs.observation)
      }; of one: observation[None]`,
    ...(noise ? [`feeds["noise"] = np.random.randn(${drawn.join(", ")}).astype(np.float32)`] : []),
    one ? 'action = policy.run(["action"], feeds)[0][0]' : 'actions = policy.run(["action"], feeds)[0]',
  ].join("\n");
  return `# ${card.algorithm} for ${card.task}

\`policy.onnx\` takes ${inputs} and gives \`action\` ${shown(card.outputs.action)} in [-1, 1], for ${
    one ? "one observation at a time" : "any number of observations\nat once"
  }; observations are raw, as the environment gives them
(d4rl physics: today's MuJoCo with two edits, see Onestep's environments).${
    noise ? " Draw `noise` from the unit Gaussian for every action." : ""
  }${one ? `\n\nWhy one at a time: ${card.oneAtATime}.` : ""}

| acting | D4RL score | episodes | ms per action |
| --- | --- | --- | --- |
${scores}

${
    card.denoiser
      ? `\`denoiser.onnx\` is the same run's diffusion model of the data's actions: \`clean\` [${
        card.denoiser.oneAtATime === undefined ? "batch" : 1
      }, ` +
        card.actionSpace.shape[0] +
        "] from `observation`, `sample` and `level`\n(time, alpha, sigma). `denoiser.json` has the levels of chains of " +
        `${card.denoiser.calls.join(", ")} network calls; to act, start from noise and move with\n` +
        "`x = s2/s1 x + (a2 - s2/s1 a1) clean` from each level (a1, s1) to the next (DDIM).\n\n"
      : ""
  }One training seed (${card.seed}), last checkpoint, ${card.updates} updates. Source: ${card.source}. Training data: ${card.trainingData.id},
${card.trainingData.transitions} transitions, ${card.trainingData.licence}.

\`\`\`python
import os
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # Before the import: ONNX Runtime's uploader is on by default.
import numpy as np, onnxruntime
policy = onnxruntime.InferenceSession("policy.onnx")
${python}
\`\`\`

Licence: ${card.licence}. \`card.json\` says the same for programs.
`;
}

/** Where an export goes by default. */
export const exportFolder = (root: string, { task, algorithm, seed }: Cell) =>
  join(root, "exports", basename(`${task}-${algorithm}-${seed}`));
