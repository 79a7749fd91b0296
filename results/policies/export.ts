/**
 * A finished run as something to deploy: its policy in ONNX, a card that says what it is, and a README.
 *
 * @module
 */

import { basename, join } from "node:path";
import { createRng } from "../../algorithms/core/rng.ts";
import type { Spec } from "../../algorithms/core/agent.ts";
import type { ExportedDenoiser, NoiseLevel } from "../../algorithms/core/denoiser.ts";
import { anyBatch } from "../../algorithms/engine/any_batch.ts";
import { decodeCheckpoint } from "../../algorithms/engine/checkpoint.ts";
import { openPolicy } from "../../algorithms/engine/open_policy.ts";
import { catalog, datasetPath } from "../../data/catalog.ts";
import { loadTransitions, type Transitions } from "../../data/d4rl.ts";
import { localRecipes } from "../../data/recipes.ts";
import { createEnvironment } from "../../environments/environment.ts";
import { readId } from "../../environments/ids.ts";
import { findTask } from "../../environments/tasks.ts";
import { sha256Hex } from "../../tools/digest.ts";
import { makeFolder, writeAtomically } from "../../tools/files.ts";
import { exists } from "../../tools/paths.ts";
import { resume } from "../cells/run_folder.ts";
import { actingName, cellIdentity } from "../cells/train.ts";
import { type Evaluation, readEvaluation } from "../cells/record.ts";
import { codeOf } from "../experiments/mod.ts";
import { groupRules } from "../scores/groups.ts";
import { mean } from "../scores/mean.ts";
import { bootstrapMean } from "../scores/statistics.ts";
import { loadPolicy, readRunFile, type RunFile } from "../train/policy_folder.ts";
import { readScores } from "../train/scores.ts";
import type { PolicyCard } from "./card.ts";

/** Observations that an exported policy is tried on. */
const trials = 1000;

/** An exported policy: its card, and all files, the card's among them, by name. */
export interface Export {
  card: PolicyCard;
  files: Map<string, Uint8Array<ArrayBuffer>>;
}

/**
 * The policy of a run as something to deploy.
 *
 * @param run Folder of a finished run of `reproduce` with an environment, or one that `train()`, `deno task train` or `save()` wrote.
 * @throws {Error} If it is neither, has no environment, or its policy leaves the action space.
 */
export async function makeExport(run: string): Promise<Export> {
  const failed = (why: string) => new Error(`Cannot export "${run}": ${why}`);
  const evaluation = await readEvaluation(run);
  const made = evaluation ? await madeByCell(run, evaluation, failed) : await madeByTraining(run, failed);
  const { card: { task } } = made;
  const [observationDim, actionDim] = made.sizes;
  const { bytes, fixed } = anyBatch(made.bytes);
  const policy = await openPolicy(bytes);
  const data = await loadTransitions(datasetPath(task), { id: task }).catch(() => null); // Not on this machine.
  const fitting = data?.observationDim === observationDim ? data : null; // A training may have had other data of this id.
  const verified = await tryPolicy(policy, fitting, observationDim, failed);
  const denoiser = await made.denoiser();
  const files = new Map([["policy.onnx", new Uint8Array(bytes)]]);
  if (denoiser) {
    files.set("denoiser.onnx", new Uint8Array(denoiser.bytes));
    files.set("denoiser.json", encode(`${JSON.stringify(denoiser.levels)}\n`));
  }
  const card: PolicyCard = {
    ...made.card,
    inputs: Object.fromEntries(Object.entries(policy.inputs).map(([name, shape]) => [name, dimensions(shape, fixed)])),
    outputs: { action: dimensions([1, actionDim], fixed) },
    ...(fixed === null ? {} : { oneAtATime: fixed }),
    observationSpace: { shape: [observationDim] },
    actionSpace: { shape: [actionDim], low: -1, high: 1 },
    trainingData: {
      id: task,
      ...(made.transitions === undefined ? {} : { transitions: made.transitions }),
      licence: catalog.get(task)?.licence ?? (task in localRecipes ? "MIT, made by Onestep" : "unknown"),
    },
    licence: "MIT",
    ...(denoiser && {
      denoiser: { calls: denoiser.calls, ...(denoiser.fixed === null ? {} : { oneAtATime: denoiser.fixed }) },
    }),
    verified,
    sha256: Object.fromEntries([...files].map(([name, content]) => [name, sha256Hex(content)])),
  };
  files.set("card.json", encode(`${JSON.stringify(card, null, 2)}\n`)).set("README.md", encode(cardPage(card)));
  return { card, files };
}

/** Writes {@linkcode makeExport}'s files into a folder. */
export async function exportRun(run: string, out: string): Promise<PolicyCard> {
  const { card, files } = await makeExport(run);
  await makeFolder(out);
  for (const [name, content] of files) await writeAtomically(join(out, name), content);
  return card;
}

const encode = (text: string) => new TextEncoder().encode(text);

/** What an export is made of. */
interface Made {
  card: Pick<
    PolicyCard,
    "algorithm" | "source" | "task" | "seed" | "updates" | "planned" | "physics" | "scores" | "madeWith"
  >;
  bytes: Uint8Array;
  sizes: [observationDim: number, actionDim: number];
  transitions?: number;
  denoiser(): Promise<Denoiser | null>;
}

type Failed = (why: string) => Error;

/** Of a finished cell of `reproduce`. */
async function madeByCell(run: string, evaluation: Evaluation, failed: Failed): Promise<Made> {
  const { cell, environment, updates, madeWith } = evaluation;
  if (!environment) {
    throw failed(`it must have been trained for an environment, current is ${cell.experiment}`);
  }
  using env = await createEnvironment(findTask(cell.task), "d4rl");
  const [observationDim, actionDim] = [env.observationSpace.shape[0], env.actionSpace.shape[0]];
  return {
    card: {
      algorithm: cell.title,
      source: codeOf(cell).algorithm.source,
      task: cell.task,
      seed: cell.seed,
      updates,
      physics: environment.physics,
      scores: groupRules([evaluation]).map(({ acting, scores, actMs }) => ({
        acting,
        mean: Number(bootstrapMean(scores).mean.toFixed(2)),
        episodes: scores[0].length,
        msPerAction: Number(actMs[0].toFixed(4)),
      })),
      madeWith,
    },
    bytes: await Deno.readFile(join(run, "policy.onnx")),
    sizes: [observationDim, actionDim],
    transitions: environment.datasetTransitions,
    async denoiser() {
      if (cell.shipped) return null; // Its policy alone was.
      const spec = { observationDim, actionDim, maxAction: 1, ...await keptSpec(run) };
      const agent = codeOf(cell).algorithm.create(cell.config, spec);
      if (!agent.exportDenoiser) return null;
      const { state } = await resume(run, agent.init(createRng("any")), cellIdentity(cell));
      return denoiserOf(agent.exportDenoiser(state));
    },
  };
}

/** What a folder that `train()` or `save()` wrote says. */
async function trainedFile(run: string): Promise<RunFile> {
  if (exists(join(run, "run.json"))) return await readRunFile(run);
  throw new Error(
    `Cannot export "${run}": it must be the folder of a run: of reproduce, as the report's table of cells links to them, or of train(), ` +
      "`deno task train` (its seed_0, seed_1, ...) or save()",
  );
}

/** Of a folder that `train()` or `save()` wrote. */
async function madeByTraining(run: string, failed: Failed): Promise<Made> {
  const { madeWith, transitions } = await trainedFile(run);
  const { algorithm, task, seed, config, spec, state, agent, exportPolicy } = await loadPolicy(run);
  if (task === null) throw failed("it must have been trained for an environment, current task is none");
  try {
    findTask(task);
  } catch (error) {
    throw failed(`it must have been trained for an environment; ${(error as Error).message}`);
  }
  const scored = (await readScores(run)).filter(({ update }) => update === state.updates);
  return {
    card: {
      algorithm: algorithm.title,
      source: algorithm.source,
      task,
      seed,
      updates: state.updates,
      ...(state.updates < config.updates ? { planned: config.updates } : {}),
      physics: readId(task).physics ?? "d4rl",
      scores: scored.map(({ candidates, scores }) => ({
        acting: candidates === 1 ? algorithm.acts : `softmax of ${candidates}`,
        mean: Number(mean(scores).toFixed(2)),
        episodes: scores.length,
      })),
      ...(madeWith && { madeWith }),
    },
    bytes: exportPolicy(),
    sizes: [spec.observationDim, spec.actionDim],
    transitions: transitions ?? undefined,
    denoiser: () => Promise.resolve(agent.exportDenoiser ? denoiserOf(agent.exportDenoiser(state)) : null),
  };
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

/** A diffusion model as files. */
interface Denoiser {
  bytes: Uint8Array;
  /** Why it takes one observation at a time, if it does. */
  fixed: string | null;
  /** Numbers of network calls that it has noise levels for. */
  calls: number[];
  levels: LevelTable;
}

function denoiserOf({ bytes, levels, mostNfe }: ExportedDenoiser): Denoiser {
  const calls = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100].filter((n) => n <= mostNfe);
  return { ...anyBatch(bytes), calls, levels: Object.fromEntries(calls.map((n) => [n, levels(n)])) };
}

type Policy = Awaited<ReturnType<typeof openPolicy>>;

/** Runs the policy on observations of its task's data, and on random ones where they are not here. */
async function tryPolicy(policy: Policy, data: Transitions | null, dim: number, failed: Failed) {
  const rng = createRng("export");
  const rows = data === null ? rng.fillNormal(new Float32Array(trials * dim)) : Float32Array.from(
    { length: trials * dim },
    (_, i) => data.observation[Math.floor(Math.floor(i / dim) * data.count / trials) * dim + i % dim],
  );
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
    `| ${acting} | ${mean} | ${episodes} | ${msPerAction ?? ""} |`
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
(${card.physics} physics${
    card.physics === "d4rl" ? ": today's MuJoCo with two edits, see Onestep's environments" : ""
  }).${noise ? " Draw `noise` from the unit Gaussian for every action." : ""}${
    one ? `\n\nWhy one at a time: ${card.oneAtATime}.` : ""
  }

${
    scores === ""
      ? "Not scored at its last checkpoint."
      : `| acting | D4RL score | episodes | ms per action |\n| --- | --- | --- | --- |\n${scores}`
  }

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
  }One training seed (${card.seed}), last checkpoint, ${card.updates} updates${
    card.planned === undefined ? "" : ` of ${card.planned}: its training has not ended`
  }. Source: ${card.source}. Training data: ${card.trainingData.id},
${
    card.trainingData.transitions === undefined
      ? ""
      : `${card.trainingData.transitions} transitions, `
  }${card.trainingData.licence}.

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

/**
 * Where a run's export goes by default.
 *
 * @throws {Error} If it is no run.
 */
export async function exportFolder(root: string, run: string): Promise<string> {
  const { task, algorithm, seed } = (await readEvaluation(run))?.cell ?? (await trainedFile(run)).policy;
  return join(root, "exports", basename(`${task}-${algorithm}-${seed}`));
}
