/**
 * `deno task bench:scaling`: updates per second against batch and width with one process, one of two threads, and two processes, and the cost of an action against
 * the number of denoising steps; figures.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import { join } from "node:path";
import type { AgentState } from "../algorithms/core/agent.ts";
import { useBackend, useThreads } from "../algorithms/engine/backend.ts";
import { type NdArray, ndarray } from "../algorithms/engine/array.ts";
import { compile } from "../algorithms/engine/compile.ts";
import { edmDefaults, edmDenoiserAt, edmLevels } from "../algorithms/core/edm.ts";
import { createRng } from "../algorithms/core/rng.ts";
import { sampleDdim } from "../algorithms/core/samplers.ts";
import {
  createDtql,
  type DiffusionNetwork,
  diffusionNetwork,
  dtqlDefaults,
  initDiffusionNetwork,
} from "../algorithms/dtql/mod.ts";
import { writeFigure } from "../data/show/write_figure.ts";
import { makeFolder, writeAtomically } from "../tools/files.ts";
import { describeMachine } from "../tools/machine.ts";
import { childEnvironment } from "../tools/processes.ts";
import { fromFileUrl, resultsFolder } from "../tools/paths.ts";
import { timeCalls } from "../tools/timing.ts";
import { drawTransitions, spec } from "./dtql_workload.ts";

const [batches, widths] = [[64, 256, 1024, 4096], [64, 128, 256, 512, 1024]];
const [usualBatch, usualWidth] = [256, 256];
const chains = [1, 2, 5, 10, 20, 50, 100];
const spanMs = 3000;

/** DTQL updates per second, all but the first three. */
async function measureUpdates(threads: number, rows: number, width: number): Promise<number> {
  await useBackend("onnx");
  useThreads(threads);
  const config = { ...dtqlDefaults, pretrainUpdates: 0, hidden: width, diffusionHidden: width };
  const agent = createDtql(config, spec);
  const batch = drawTransitions(rows, createRng("scaling"));
  let state: AgentState = agent.init(createRng("agent"));
  const update = async () => ({ state } = await agent.update(state, batch, createRng(`${state.updates}`)));
  for (let i = 0; i < 3; i++) await update();
  const start = performance.now();
  let updates = 0;
  while (performance.now() - start < spanMs || updates < 3) {
    await update();
    updates++;
  }
  return 1000 * updates / (performance.now() - start);
}

interface Cores {
  processes: number;
  threads: number;
  label: string;
}
const cores: readonly Cores[] = [
  { processes: 1, threads: 1, label: "1 process" },
  { processes: 1, threads: 2, label: "2 threads" },
  { processes: 2, threads: 1, label: "2 processes" },
];

/** The same in processes of their own, all at once: their sum. */
async function measureTogether({ processes, threads }: Cores, rows: number, width: number): Promise<number> {
  const rates = await Promise.all(Array.from({ length: processes }, async () => {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", fromFileUrl(new URL(import.meta.url)), ...[threads, rows, width].map(String)],
      env: childEnvironment(),
      stderr: "inherit",
    }).output();
    if (!success) throw new Error(`Cannot measure batch ${rows}, width ${width}: its process failed`);
    return Number(new TextDecoder().decode(stdout));
  }));
  return rates.reduce((a, b) => a + b);
}

/** Milliseconds per action of DTQL's diffusion network by Euler's method, batch 1. */
async function measureActions(): Promise<{ steps: number; ms: number }[]> {
  await useBackend("onnx");
  const rng = createRng("actions");
  const p = initDiffusionNetwork(spec, dtqlDefaults, rng);
  const [s, noise] = [spec.observationDim, spec.actionDim].map((dim) =>
    ndarray(rng.fillNormal(new Float32Array(dim)), [1, dim])
  );
  const rows: { steps: number; ms: number }[] = [];
  for (const steps of chains) {
    const act = compile<{ p: DiffusionNetwork<NdArray>; s: NdArray; noise: NdArray }>(`${steps}`, ({ p, s, noise }) => {
      const denoise = edmDenoiserAt((x, level) => diffusionNetwork(p, x, s, level), edmDefaults, spec.maxAction);
      return { action: sampleDdim(denoise, noise, edmLevels(steps, edmDefaults)) };
    });
    rows.push({ steps, ms: await timeCalls(() => act({ p, s, noise }), 20, 200) });
  }
  return rows;
}

interface Rate {
  cores: string;
  batch: number;
  width: number;
  updates: number;
}

function figure(rates: readonly Rate[], actions: readonly { steps: number; ms: number }[]): TopLevelSpec {
  const log = { type: "log", base: 2 };
  const panel = (
    title: string,
    values: unknown,
    x: string,
    xTitle: string,
    y: string,
    yTitle: string,
    ticks: number[],
    color?: unknown,
  ) => ({
    title: { text: title, fontSize: 12, fontWeight: "normal" },
    width: 240,
    height: 200,
    data: { values },
    mark: { type: "line", point: true },
    encoding: {
      x: { field: x, type: "quantitative", scale: log, axis: { values: ticks, title: xTitle } },
      y: { field: y, type: "quantitative", scale: { type: "log" }, axis: { title: yTitle } },
      ...(color ? { color } : {}),
    },
  });
  const color = { field: "cores", type: "nominal", title: null };
  const rate = "updates per second";
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: "How DTQL scales",
      subtitle:
        `Halfcheetah's size, all processes together; batch ${usualBatch} and width ${usualWidth} where not varied.`,
    },
    hconcat: [
      panel(
        "Batch",
        rates.filter(({ width }) => width === usualWidth),
        "batch",
        "batch",
        "updates",
        rate,
        batches,
        color,
      ),
      panel(
        "Width",
        rates.filter(({ batch }) => batch === usualBatch),
        "width",
        "width",
        "updates",
        rate,
        widths,
        color,
      ),
      panel("One action by iteration", actions, "steps", "denoising steps", "ms", "ms, batch 1", chains),
    ],
  } as TopLevelSpec;
}

async function main() {
  const rates: Rate[] = [];
  const sizes = [
    ...batches.map((batch) => ({ batch, width: usualWidth })),
    ...widths.filter((width) => width !== usualWidth).map((width) => ({ batch: usualBatch, width })),
  ];
  for (const { batch, width } of sizes) {
    for (const share of cores) {
      const updates = Number((await measureTogether(share, batch, width)).toPrecision(3));
      rates.push({ cores: share.label, batch, width, updates });
      console.log(`batch ${batch}, width ${width}, ${share.label}: ${updates} updates/s`);
    }
  }
  const actions = await measureActions();
  for (const { steps, ms } of actions) console.log(`${steps} denoising steps: ${ms.toFixed(3)} ms`);
  const folder = join(resultsFolder, "bench");
  await makeFolder(folder);
  const record = { madeWith: await describeMachine(), rates, actions };
  await writeAtomically(join(folder, "scaling_numbers.json"), `${JSON.stringify(record, null, 1)}\n`);
  await writeFigure(join(folder, "scaling"), figure(rates, actions));
  console.log(`\nKept as ${join(folder, "scaling")}.svg, .png, and scaling_numbers.json`);
}

const [threads, rows, width] = Deno.args.map(Number);
if (Deno.args.length === 3) console.log(await measureUpdates(threads, rows, width));
else await main();
