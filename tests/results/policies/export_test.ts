import { assert, assertAlmostEquals, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import { ndarray } from "../../../algorithms/engine/array.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { openPolicy } from "../../../algorithms/engine/open_policy.ts";
import { bc } from "../../../algorithms/bc.ts";
import { dtql } from "../../../algorithms/dtql/mod.ts";
import { makeBandit } from "../../../data/bandits.ts";
import { loadTransitions } from "../../../data/d4rl.ts";
import { makeLocalDataset } from "../../../data/local.ts";
import { localRecipes } from "../../../data/recipes.ts";
import { createEnvironment, evaluationSeed, findTask, normalizedScore } from "../../../environments/mod.ts";
import { type Cell, cellFolder } from "../../../results/cells/cell.ts";
import { resume } from "../../../results/cells/run_folder.ts";
import { cellIdentity } from "../../../results/cells/train.ts";
import { codeOf } from "../../../results/experiments/mod.ts";
import { planCells } from "../../../results/plan.ts";
import { type PolicyCard, readExport } from "../../../results/policies/card.ts";
import { cardPage, exportFolder, exportRun } from "../../../results/policies/export.ts";
import type { PlayPolicy } from "../../../results/policies/play/messages.ts";
import { train as trainPolicy } from "../../../results/train/train.ts";
import { fromFileUrl, workspaceFolder } from "../../../tools/paths.ts";
import { browserPath, startBrowser } from "../../browser.ts";
import { changeCell, train } from "../cells.ts";

/** ONNX Runtime for browsers. */
const web = dirname(fromFileUrl(new URL(import.meta.resolve("onnxruntime-web/wasm"))));
const [rows, dim] = [1000, 11];
const observations = createRng("observations").fillNormal(new Float32Array(rows * dim));
const rowOf = (i: number) => observations.subarray(i * dim, (i + 1) * dim);

let kept: Promise<{ folder: string; cell: Cell; root: string }> | null = null;
/** A finished run of BC on a small dataset of Hopper. */
const run = () =>
  kept ??= (async () => {
    const folder = await Deno.makeTempDir();
    const root = join(folder, "results");
    const recipe = localRecipes["hopper-medium-replay-local"];
    await makeLocalDataset({ ...recipe, transitions: 2000 }, join(folder, `${recipe.id}.hdf5`));
    const [cell] = planCells("smoke", { only: "srpo", algorithm: "bc" }, "onnx", folder);
    await train(cell, root);
    return { folder, cell, root };
  })();
Deno.test.afterAll(async () => {
  if (kept) await Deno.remove((await kept).folder, { recursive: true });
});

/** Actions of the training engine from the run's checkpoint. */
async function trainedActions(cell: Cell, root: string): Promise<Float32Array> {
  const spec = { observationDim: dim, actionDim: 3, maxAction: 1 };
  const agent = codeOf(cell).algorithm.create(cell.config, spec);
  const { state } = await resume(cellFolder(root, cell), agent.init(createRng("any")), cellIdentity(cell));
  return (await agent.act(state, ndarray(observations, [rows, dim]), 1, createRng("act"))).data as Float32Array;
}

Deno.test("exportRun() writes a policy that acts as the trained one does, a card and a README", async () => {
  const { folder, cell, root } = await run();
  const out = join(folder, "export");
  const card = await exportRun(cellFolder(root, cell), out);
  assertEquals(JSON.parse(await Deno.readTextFile(join(out, "card.json"))) as PolicyCard, card);
  assertEquals([card.inputs, card.outputs], [{ observation: ["batch", 11] }, { action: ["batch", 3] }]);
  assertEquals([card.actionSpace.shape, card.oneAtATime], [[3], undefined]);
  assertEquals(card.scores[0].episodes, 2);
  const page = await Deno.readTextFile(join(out, "README.md"));
  assertStringIncludes(page, "hopper-medium-replay-local");
  assertStringIncludes(page, "`observation` [batch, 11] and gives `action` [batch, 3]");
  const policy = await openPolicy(await Deno.readFile(join(out, "policy.onnx")));
  const wanted = await trainedActions(cell, root);
  for (let i = 0; i < rows; i++) {
    const action = await policy.act({ observation: rowOf(i) });
    action.forEach((x, d) => assertAlmostEquals(x, wanted[3 * i + d], 1e-5));
  }
});

Deno.test({
  name: "an exported policy gives the same actions in a browser, over 1000 observations",
  ignore: browserPath === null,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const { folder, cell, root } = await run();
    const out = join(folder, "for the browser");
    await exportRun(cellFolder(root, cell), out);
    const types: Record<string, string> = { mjs: "text/javascript", wasm: "application/wasm", html: "text/html" };
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const name = new URL(request.url).pathname.slice(1);
      if (name === "") {
        return new Response("<!doctype html><title>policy</title>", { headers: { "content-type": "text/html" } });
      }
      const path = name === "policy.onnx" ? join(out, name) : join(web, name);
      const body = await Deno.readFile(path).catch(() => null);
      const type = types[name.split(".").at(-1)!] ?? "application/octet-stream";
      return body ? new Response(body, { headers: { "content-type": type } }) : new Response(null, { status: 404 });
    });
    const browser = await startBrowser();
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${server.addr.port}/`);
      const found = await page.evaluate(
        `(async () => {
          const ort = await import("/ort.wasm.bundle.min.mjs");
          ort.env.wasm.numThreads = 1;
          ort.env.wasm.wasmPaths = "/";
          const session = await ort.InferenceSession.create("/policy.onnx");
          const rows = ${JSON.stringify(Array.from(observations))};
          const act = async (start, n) => {
            const observation = Float32Array.from(rows.slice(start * ${dim}, (start + n) * ${dim}));
            const { action } = await session.run({ observation: new ort.Tensor("float32", observation, [n, ${dim}]) });
            return action.data;
          };
          const actions = [];
          for (let i = 0; i < ${rows}; i++) actions.push(...await act(i, 1));
          return [...actions, ...await act(0, ${rows})];
        })()`,
      ) as number[];
      const wanted = await trainedActions(cell, root);
      assertEquals(found.length, 2 * wanted.length); // One by one, and all at once.
      found.forEach((x, i) => assertAlmostEquals(x, wanted[i % wanted.length], 1e-5));
    } finally {
      await browser.close();
      await server.shutdown();
    }
  },
});

Deno.test("an exported policy earns the score of its card", async () => {
  const { folder, cell, root } = await run();
  const out = join(folder, "to score");
  const { scores: [{ mean, episodes }] } = await exportRun(cellFolder(root, cell), out);
  const policy = await openPolicy(await Deno.readFile(join(out, "policy.onnx")));
  using env = await createEnvironment(findTask("hopper"), "d4rl");
  let sum = 0;
  for (let episode = 0; episode < episodes; episode++) {
    let observation = env.reset(evaluationSeed(episode));
    for (;;) {
      const result = env.step(await policy.act({ observation: Float32Array.from(observation) }));
      sum += result.reward;
      observation = result.observation;
      if (result.terminated || result.truncated) break;
    }
  }
  assertAlmostEquals(normalizedScore("hopper", sum / episodes), mean, 0.02); // The card has two decimals.
});

Deno.test("exportRun() of a run on normalized observations has its diffusion model, and both take raw ones", async () => {
  const { folder, root } = await run();
  const [planned] = planCells("smoke", { only: "dtql", algorithm: "dtql" }, "onnx", folder);
  const cell = changeCell(planned, { normalizeObservations: true }, { evaluation: { episodes: 1, candidates: 1 } });
  await train(cell, root);
  const out = join(folder, "normalized");
  const { denoiser, scores } = await exportRun(cellFolder(root, cell), out);
  assert(denoiser!.calls.includes(50));
  assertEquals(scores.length, 1);
  const policy = await openPolicy(await Deno.readFile(join(out, "policy.onnx")));
  assertEquals(policy.inputs.observation, [1, dim]);
  const noise = new Float32Array(3).fill(0.1);
  const at = async (x: number) => await policy.act({ observation: new Float32Array(dim).fill(x), noise });
  assert((await at(0)).some((a, i) => a !== 0 && i < 3));
});

const python = await new Deno.Command("python3", { args: ["-c", "import onnxruntime"], stdout: "null", stderr: "null" })
  .output().then(({ success }) => success, () => false);

Deno.test({
  name: "an exported policy gives the same actions in Python's onnxruntime",
  ignore: !python,
  fn: async () => {
    const { folder, cell, root } = await run();
    const out = join(folder, "for Python");
    await exportRun(cellFolder(root, cell), out);
    await Deno.writeFile(join(out, "rows.bin"), new Uint8Array(observations.buffer));
    const script = `
import numpy as np, onnxruntime, sys
rows = np.fromfile("rows.bin", dtype=np.float32).reshape(-1, ${dim})
policy = onnxruntime.InferenceSession("policy.onnx")
ones = [policy.run(["action"], {"observation": row[None]})[0] for row in rows]
np.concatenate([*ones, policy.run(["action"], {"observation": rows})[0]]).tofile("actions.bin")`;
    const { success, stderr } = await new Deno.Command("python3", { args: ["-c", script], cwd: out, stderr: "piped" })
      .output();
    assert(success, new TextDecoder().decode(stderr));
    const found = new Float32Array((await Deno.readFile(join(out, "actions.bin"))).buffer);
    const wanted = await trainedActions(cell, root);
    assertEquals(found.length, 2 * wanted.length); // One by one, and all at once.
    found.forEach((x, i) => assertAlmostEquals(x, wanted[i % wanted.length], 1e-5));
  },
});

Deno.test("cardPage() says of a file for one observation at a time that it is one, and why", async () => {
  const { folder, cell, root } = await run();
  const card = await exportRun(cellFolder(root, cell), join(folder, "to read"));
  const page = cardPage({
    ...card,
    inputs: { observation: [1, 11], noise: [1, 3] },
    outputs: { action: [1, 3] },
    oneAtATime: "Cannot export a/policy for any batch: operation CumSum",
  });
  for (const text of ["one observation at a time", "operation CumSum", "np.random.randn(1, 3)", "observation[None]"]) {
    assertStringIncludes(page, text);
  }
});

Deno.test("exportRun() of a folder that train() or save() wrote: the same policy, its diffusion model, its scores", async () => {
  const { folder } = await run();
  const data = await loadTransitions(join(folder, "hopper-medium-replay-local.hdf5"), {
    id: "hopper-medium-replay-local",
  });
  const overrides = { hidden: 16, diffusionHidden: 16, batchSize: 32, pretrainUpdates: 5, normalizeObservations: true };
  const [kept, saved] = [join(folder, "trained"), join(folder, "saved")];
  const options = { folder: kept, updates: 10, seed: 3, overrides, episodes: 2, log: [] };
  const policy = await trainPolicy(dtql, data, { ...options, evaluateEvery: 10 });
  const card = await exportRun(kept, join(folder, "of train()"));
  assertEquals([card.algorithm, card.task, card.seed, card.updates, card.planned], [
    "DTQL",
    data.task,
    3,
    10,
    undefined,
  ]);
  const [{ scores }] = policy.curve.points;
  assertEquals(card.scores, [{
    acting: "one sample",
    mean: Number(((scores[0] + scores[1]) / 2).toFixed(2)),
    episodes: 2,
  }]);
  assertEquals([card.trainingData.transitions, card.physics], [data.count, "d4rl"]);
  assert(card.denoiser!.calls.includes(50));
  assertEquals(await Deno.readFile(join(folder, "of train()", "policy.onnx")), policy.exportPolicy());
  assertEquals((await readExport(join(folder, "of train()")))!.files.size, 4);

  const page = join(folder, "page");
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "tools/task.ts", "play", kept, "--static", page],
    cwd: workspaceFolder,
    stderr: "piped",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const offered: PlayPolicy[] = JSON.parse(await Deno.readTextFile(join(page, "policies.json")));
  const id = "hopper-medium-replay-local-dtql-3";
  assertEquals(offered.map((policy) => policy.id), [`${id}/one-step`, `${id}/iterative`]);

  await policy.save(saved);
  const again = await exportRun(saved, join(folder, "of save()"));
  assertEquals([again.sha256, again.scores, again.madeWith], [card.sha256, [], undefined]);
  assertStringIncludes(
    await Deno.readTextFile(join(folder, "of save()", "README.md")),
    "Not scored at its last checkpoint.",
  );
  assertEquals(await exportFolder("results", saved), join("results", "exports", "hopper-medium-replay-local-dtql-3"));

  const stop = new AbortController();
  const half = join(folder, "half");
  await trainPolicy(dtql, data, {
    ...options,
    folder: half,
    evaluateEvery: 4,
    signal: stop.signal,
    onMetrics: ({ update }) => update === 6 && stop.abort(),
  }).catch(() => {});
  const part = await exportRun(half, join(folder, "of a half"));
  assertEquals([part.updates, part.planned, part.scores.length], [4, 10, 1]);
  assertStringIncludes(cardPage(part), `4 updates of 10: its training has not ended`);

  const bandit = join(folder, "bandit");
  const drawn = makeBandit("25gaussians", "near", 100, createRng(0));
  await trainPolicy(bc, drawn, { folder: bandit, updates: 2, log: [] });
  await assertRejects(
    () => exportRun(bandit, join(folder, "none")),
    Error,
    "it must have been trained for an environment",
  );
});

Deno.test("exportRun() refuses what is no finished run of an environment, and a policy that leaves the action space", async () => {
  const { folder, cell, root } = await run();
  const rejects = (path: string, message: string) =>
    assertRejects(() => exportRun(path, join(folder, "none")), Error, message);
  await rejects(folder, "it must be the folder of a run: of reproduce");
  const broken = join(folder, "broken");
  await Deno.mkdir(broken);
  const own = cellFolder(root, cell);
  const evaluation = JSON.parse(await Deno.readTextFile(join(own, "evaluation.json")));
  await Deno.writeTextFile(join(broken, "evaluation.json"), JSON.stringify({ ...evaluation, environment: null }));
  await rejects(broken, "it must have been trained for an environment");
  await Deno.writeTextFile(join(broken, "evaluation.json"), JSON.stringify(evaluation));
  await Deno.writeFile(join(broken, "policy.onnx"), new Uint8Array(10));
  await assertRejects(() => exportRun(broken, join(folder, "none")), Error);
  assertEquals([...Deno.readDirSync(folder)].some(({ name }) => name === "none"), false);
});
