import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "node:path";
import { decodeCheckpoint } from "../../algorithms/engine/checkpoint.ts";
import { createRng } from "../../algorithms/core/rng.ts";
import { drawBatch, loadTransitions } from "../../data/d4rl.ts";
import { drawBanditBatch, makeBandit } from "../../data/bandits.ts";
import { algorithms, type Cell, cellConfig, cellFolder } from "../../results/cell.ts";
import { writeFigure } from "../../results/figures.ts";
import { writeAtomically, writeError } from "../../tools/files.ts";
import { dataFingerprint } from "../../results/fingerprint.ts";
import { fromFileUrl } from "../../tools/paths.ts";
import { makeLocalDataset } from "../../data/local.ts";
import { localRecipes } from "../../data/recipes.ts";
import { planCells } from "../../results/plan.ts";
import { bootstrapMean } from "../../results/statistics.ts";
import { toCsv, toMarkdown, toText } from "../../data/show/table.ts";
import { divergenceError, trainCell } from "../../results/train.ts";

const workspace = fromFileUrl(new URL("../../", import.meta.url));
const deno = (args: string[]) =>
  new Deno.Command(Deno.execPath(), { args, cwd: workspace, stdout: "piped", stderr: "piped" });
const permissions = ["--no-prompt", "--quiet", "-A"];

const tiny: Cell = {
  ...planCells("smoke", { task: "25gaussians-far", algorithm: "dtql" }, "onnx", "")[0],
  overrides: { updates: 400, batchSize: 64, hidden: 32, diffusionHidden: 32, pretrainUpdates: 40 },
  evaluation: { episodes: 50, candidates: 1 },
  checkpointMs: 0,
};

async function withFolder(f: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await f(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const near = (got: readonly number[], wanted: readonly number[]) => {
  assertEquals(got.length, wanted.length);
  got.forEach((x, i) => assertAlmostEquals(x, wanted[i], 1e-6 * Math.max(1, Math.abs(wanted[i]))));
};

/** What training a cell left: its weights' bytes, its metrics and its samples. */
async function outcome(root: string, cell: Cell) {
  const folder = cellFolder(root, cell);
  const checkpoint = decodeCheckpoint(await Deno.readFile(join(folder, "checkpoint.safetensors")));
  const { bandit } = JSON.parse(await Deno.readTextFile(join(folder, "evaluation.json")));
  const metrics = await Deno.readTextFile(join(folder, "metrics.jsonl"));
  return { tensors: checkpoint.tensors, updates: checkpoint.metadata.updates, metrics, bandit };
}

const launch = (cell: Cell, root: string) =>
  deno(["run", ...permissions, "results/run_cell.ts", root, JSON.stringify(cell)]).spawn();

for (const algorithm of ["dtql", "dql_kl"] as const) {
  Deno.test(`trainCell() of ${algorithm} killed with SIGKILL again and again ends in the same bytes as left alone`, () =>
    withFolder(async (folder) => {
      const cell: Cell = { ...tiny, algorithm };
      const [alone, killed] = ["alone", "killed"].map((name) => join(folder, name));
      await trainCell(cell, alone, () => {});
      const path = join(cellFolder(killed, cell), "checkpoint.safetensors");
      let kills = 0;
      for (let attempt = 0; attempt < 3; attempt++) {
        const child = launch(cell, killed);
        const before = await Deno.readFile(path).catch(() => null);
        // Wait for progress past the last kill, then for a random moment more.
        for (let i = 0; i < 2400; i++) { // A minute, on a machine that does other things too.
          const now = await Deno.readFile(path).catch(() => null);
          if (now && (!before || now.length !== before.length || now.some((x, k) => x !== before[k]))) break;
          await new Promise((done) => setTimeout(done, 25));
        }
        await new Promise((done) => setTimeout(done, 40 * Math.random()));
        try {
          child.kill("SIGKILL");
        } catch {
          // It finished first.
        }
        const { signal } = await child.output();
        if (signal === "SIGKILL") kills++;
      }
      assert(kills > 0, "no process was killed in time");
      const previous = path.replace("checkpoint", "checkpoint.previous"); // Alone for a moment while the next one takes its place.
      const left = await Deno.readFile(path).catch(() => Deno.readFile(previous));
      assert(Number(decodeCheckpoint(left).metadata.updates) > 0);
      await trainCell(cell, killed, () => {});
      assertEquals(await outcome(killed, cell), await outcome(alone, cell));
    }));
}

Deno.test("trainCell() gives the same bytes for the same seed and others for another", () =>
  withFolder(async (folder) => {
    const [a, b] = ["a", "b"].map((name) => join(folder, name));
    await trainCell(tiny, a, () => {});
    await trainCell(tiny, b, () => {});
    assertEquals(await outcome(a, tiny), await outcome(b, tiny));
    const other = { ...tiny, seed: 1 };
    await trainCell(other, a, () => {});
    const bias = async (cell: Cell) => (await outcome(a, cell)).tensors.get("actor/params/3/bias");
    assertNotEquals(await bias(other), await bias(tiny));
  }));

Deno.test("trainCell() stops a diverging run with its update and keeps the last checkpoint", () =>
  withFolder(async (folder) => {
    const wild = { ...tiny, overrides: { ...tiny.overrides, learningRate: 1e30, criticLearningRate: 1e30 } };
    const message = (await assertRejects(
      () => trainCell(wild, folder, () => {}),
      Error,
      "Cannot train 25gaussians-far dtql",
    )).message;
    assert(/update \d+/.test(message), message);
    assertStringIncludes(message, "the last checkpoint is kept");
    const files = [...Deno.readDirSync(cellFolder(folder, wild))].map(({ name }) => name);
    assert(!files.some((name) => name.endsWith(".part")), `${files}`);
  }));

Deno.test("divergenceError() names algorithm, update, metric and the batch's tensor that is not finite", async () => {
  const config = { ...cellConfig(tiny) };
  const agent = algorithms.dtql.create(config, { observationDim: 1, actionDim: 2, maxAction: 11 });
  const bandit = makeBandit("25gaussians", "far", 1000, createRng("nan"));
  const batch = drawBanditBatch(bandit, config.batchSize, createRng("batch"));
  batch.reward.data[5] = NaN;
  const { metrics } = await agent.update(agent.init(createRng("init")), batch, createRng("update"));
  assert(Number.isNaN(metrics.criticLoss)); // A batch with NaN shows at once.
  const { message } = divergenceError(tiny, 7, "criticLoss", metrics.criticLoss, batch);
  assertStringIncludes(
    message,
    "25gaussians-far dtql seed 0: at update 7 criticLoss is NaN: the batch's reward must be finite",
  );
});

Deno.test("trainCell() waits while another process holds its folder", () =>
  withFolder(async (folder) => {
    const cell = cellFolder(folder, tiny);
    await Deno.mkdir(cell, { recursive: true });
    const file = await Deno.open(join(cell, "lock"), { create: true, write: true });
    await file.lock(true);
    const notes: string[] = [];
    const training = trainCell(tiny, folder, ({ note }) => {
      if (notes.push(note) === 2) file.close();
    });
    const { updates } = await training;
    assertEquals(notes.slice(0, 2), ["another process trains it", "another process trains it"]);
    assertEquals(updates, 400);
  }));

Deno.test("trainCell() goes on from the checkpoint before a damaged one, and ends in the same bytes", () =>
  withFolder(async (folder) => {
    const [alone, damaged] = ["alone", "damaged"].map((name) => join(folder, name));
    await trainCell(tiny, alone, () => {});
    await trainCell(tiny, damaged, () => {});
    const own = cellFolder(damaged, tiny);
    const path = join(own, "checkpoint.safetensors");
    const bytes = await Deno.readFile(path);
    bytes[bytes.length - 100] ^= 1; // One bit of one weight.
    await Deno.writeFile(path, bytes);
    await Deno.remove(join(own, "evaluation.json"));
    const previous = decodeCheckpoint(await Deno.readFile(join(own, "checkpoint.previous.safetensors")));
    assert(Number(previous.metadata.updates) < 400);
    await trainCell(tiny, damaged, () => {});
    assertEquals(await outcome(damaged, tiny), await outcome(alone, tiny));

    await Deno.writeFile(path, new Uint8Array(20));
    await Deno.writeFile(join(own, "checkpoint.previous.safetensors"), new Uint8Array(20));
    await Deno.remove(join(own, "evaluation.json"));
    await assertRejects(() => trainCell(tiny, damaged, () => {}), Error, "Cannot resume from");
  }));

Deno.test("writeAtomically() leaves the old file when the new one cannot be written", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x.txt");
    await writeAtomically(path, "old");
    await Deno.mkdir(join(folder, "taken"));
    await assertRejects(() => writeAtomically(join(folder, "taken"), "new"), Error, "Cannot write");
    await assertRejects(() => writeAtomically(join(folder, "no", "x"), "new"), Error, "Cannot write");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["taken", "x.txt"]);
    assertEquals(await Deno.readTextFile(path), "old");
  }));

Deno.test("writeError() says that the disk is full when it is", async () => {
  // Devices need every permission, which an eval has and this test does not.
  const write = 'await Deno.writeTextFile("/dev/full", "x").catch((error) => console.log(error.message))';
  const { stdout } = await deno(["eval", "--no-config", write]).output();
  const message = new TextDecoder().decode(stdout);
  assertStringIncludes(
    writeError("results/x", new Error(message)).message,
    "the disk must have space left; free some of results",
  );
});

const reproduce = (...args: string[]) =>
  deno(["run", "-A", "--quiet", "tools/deno.ts", "run", ...permissions, "results/reproduce.ts", ...args]);
const lastLine = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim().split("\n").at(-1)!;

for (
  const [args, message] of [
    [["--profil", "quick"], 'unknown flag "--profil"; did you mean "--profile"?'],
    [["--profile", "quik"], 'unknown profile "quik"; did you mean "quick"?'],
    [["--task", "25gausians-far"], 'unknown task "25gausians-far"; did you mean "25gaussians-far"?'],
    [["--algorithm", "dtlq"], 'unknown algorithm "dtlq"; did you mean "dtql"?'],
    [["--only", "bandit"], 'unknown experiment "bandit"; did you mean "bandits"?'],
    [["--backend", "onx"], 'Cannot use backend "onx": it must be one of onnx'],
    [["--seeds", "a"], '--seeds must be an integer of at least 0, current value is "a"'],
    [["--jobs", "0"], '--jobs must be an integer of at least 1, current value is "0"'],
    [["--threads", "1.5"], '--threads must be an integer of at least 1, current value is "1.5"'],
    [["quick"], 'unknown argument "quick"'],
    [["--executor", "slrum"], 'unknown executor "slrum"; did you mean "slurm"?'],
    [["--memory", "2G"], "--memory is for --executor slurm, current executor is local"],
    [["--log", "wandb"], 'unknown log "wandb"; did you mean "tensorboard"?'],
    [["--status", "--profile", "smoke", "--out", "/nowhere"], "submit them with --executor slurm first"],
  ] as const
) {
  Deno.test(`reproduce ${args.join(" ")} ends with one clear line`, async () => {
    const { code, stderr } = await reproduce(...args).output();
    assertEquals(code, 1);
    assertStringIncludes(lastLine(stderr), message);
    assert(lastLine(stderr).startsWith("error: Cannot "));
  });
}

Deno.test("reproduce --help and --dry-run say what there is", async () => {
  const help = new TextDecoder().decode((await reproduce("--help").output()).stdout);
  for (const flag of ["--profile", "--seeds", "--jobs", "--threads", "--fresh", "--dry-run", "--executor"]) {
    assertStringIncludes(help, flag);
  }
  const plan = new TextDecoder().decode((await reproduce("--dry-run", "--only", "bandits").output()).stdout);
  assertStringIncludes(plan, "swissroll-near dql_kl seed 1");
  const threaded = await reproduce("--dry-run", "--only", "bandits", "--threads", "4096").output();
  assertStringIncludes(lastLine(threaded.stdout), "with 1 at once");
});

Deno.test("reproduce runs, reports and, run again, has nothing to do", () =>
  withFolder(async (folder) => {
    const args = ["--profile", "smoke", "--only", "bandits", "--out", folder];
    const first = await reproduce(...args).output();
    assertEquals(first.code, 0, new TextDecoder().decode(first.stderr));
    const text = new TextDecoder().decode(first.stdout);
    assertStringIncludes(text, "Two-dimensional bandits");
    assertStringIncludes(text, "DQL-KL");
    for (const name of ["README.md", "bandits.csv", "bandits.json", "bandits.svg", "bandits.png"]) {
      assert((await Deno.stat(join(folder, "smoke", name))).size > 100, name);
    }
    const again = new TextDecoder().decode((await reproduce(...args).output()).stdout);
    assertStringIncludes(again, "2 of 2 cells are done already");
    const page = await Deno.readTextFile(join(folder, "report.html"));
    assertStringIncludes(page, "2 of 2 cells");
  }));

Deno.test("reproduce of SRPO samples its behaviour model too, compares it with the baselines, and every study is drawn", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(join(folder, "datasets"));
    const recipe = localRecipes["hopper-medium-replay-local"];
    const path = join(folder, "datasets", `${recipe.id}.hdf5`);
    await makeLocalDataset({ ...recipe, transitions: 2000 }, path);
    await Deno.writeTextFile(`${path}.made`, dataFingerprint(path)!);
    const runs = [
      { only: "speed", table: "Time per action at published sizes", files: ["speed.csv"] },
      {
        only: "srpo",
        table: "Paired differences",
        files: ["srpo_differences.csv", "srpo_hopper-medium-replay-local.png", "speed.svg"],
      },
      { only: "toy", table: "SRPO's toy study", files: ["toy.csv", "toy.png"], more: ["--task", "moons"] },
      {
        only: "stitching",
        table: "Trajectory stitching: passes",
        files: ["stitching.csv", "stitching_passes.csv", "stitching_returns.png", "stitching_example.png"],
      },
      {
        only: "distillation",
        table: "Offline behavior distillation",
        files: ["distillation.csv", "distillation_curves.png", "distillation_states.png"],
      },
      { only: "exponents", table: "exponent 1: random pairs", files: ["exponents.csv", "exponents.png"] },
    ];
    for (const { only, table, files, more = [] } of runs) {
      const args = ["--profile", "smoke", "--only", only, "--out", folder];
      const { code, stdout, stderr } = await reproduce(...args, ...more).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      assertStringIncludes(new TextDecoder().decode(stdout), table);
      for (const name of files) assert((await Deno.stat(join(folder, "smoke", name))).size > 100, name);
    }
    const differences = await Deno.readTextFile(join(folder, "smoke", "srpo_differences.csv"));
    for (const other of ["Behaviour diffusion, 5 calls", "DTQL", "BC", "IQL", "TD3+BC", "ReBRAC"]) {
      assertStringIncludes(differences, other);
    }
  }));

Deno.test("a stitching cell that lost some stages ends as one left alone, and a stage that diverges is named", () =>
  withFolder(async (folder) => {
    const recipe = localRecipes["hopper-medium-replay-local"];
    await makeLocalDataset({ ...recipe, transitions: 1000 }, join(folder, `${recipe.id}.hdf5`));
    const [cell] = planCells("smoke", { only: "stitching" }, "onnx", folder);
    const [alone, stopped] = [join(folder, "alone"), join(folder, "stopped")];
    const whole = await trainCell(cell, alone, () => {});
    const own = cellFolder(stopped, cell);
    await Deno.mkdir(join(own, "stages"), { recursive: true });
    await Deno.copyFile(
      join(cellFolder(alone, cell), "checkpoint.safetensors"),
      join(own, "checkpoint.safetensors"),
    );
    const stages = [...Deno.readDirSync(join(cellFolder(alone, cell), "stages"))].map(({ name }) => name).sort();
    assertEquals(stages.length, 1 + 2 * (3 + 2 * 2) + 3 * 2);
    for (const name of stages.filter((name) => /generated|stitched_(dynamics|rewards|pass_1)/.test(name))) {
      await Deno.copyFile(join(cellFolder(alone, cell), "stages", name), join(own, "stages", name));
    }
    const resumed = await trainCell(cell, stopped, () => {});
    assertEquals(resumed.stitching, whole.stitching);
    const scores = (e: typeof whole) => e.environment!.rules.map(({ acting, scores }) => ({ acting, scores }));
    assertEquals(scores(resumed), scores(whole));
    assertEquals(scores(whole).map(({ scores }) => scores.length), [2, 4, 4, 4]); // Two policies of each set.
    const policy = (root: string) => Deno.readFile(join(cellFolder(root, cell), "policy.onnx"));
    assertEquals(await policy(stopped), await policy(alone));

    const wild = {
      ...cell,
      seed: 1,
      overrides: { ...cell.overrides, cloning: { updates: 40, hidden: 8, learningRate: 1e30 } },
    };
    await assertRejects(() => trainCell(wild, alone, () => {}), Error, 'Cannot go on after "policy 1, data"');
  }));

Deno.test("a distillation cell that was stopped ends as one left alone, and BC learns from its exported pairs", () =>
  withFolder(async (folder) => {
    const recipe = localRecipes["hopper-medium-replay-local"];
    await makeLocalDataset({ ...recipe, transitions: 4000 }, join(folder, `${recipe.id}.hdf5`));
    const [cell] = planCells("smoke", { only: "exponents", algorithm: "sdw_obd" }, "onnx", folder);
    const [alone, stopped] = [join(folder, "alone"), join(folder, "stopped")];
    const whole = await trainCell(cell, alone, () => {});
    const half = { ...cell, overrides: { ...cell.overrides, updates: 3 }, checkpointMs: 0 };
    await trainCell(half, stopped, () => {});
    await Deno.mkdir(cellFolder(stopped, cell), { recursive: true });
    await Deno.copyFile(
      join(cellFolder(stopped, half), "checkpoint.safetensors"),
      join(cellFolder(stopped, cell), "checkpoint.safetensors"),
    );
    const resumed = await trainCell(cell, stopped, () => {});
    assertEquals(resumed.distillation!.projection, whole.distillation!.projection);
    const policy = (root: string) => Deno.readFile(join(cellFolder(root, cell), "policy.onnx"));
    assertEquals(await policy(stopped), await policy(alone));
    const { heldOut, effectiveShare } = whole.distillation!;
    assert(Number.isFinite(heldOut!.flow) && Number.isFinite(heldOut!.gaussian) && effectiveShare < 1);
    const errors = whole.distillation!.densityErrors!;
    assertEquals(resumed.distillation!.densityErrors, errors);
    assert(errors.length === 10 && errors.every((x) => x > 0), `${errors}`);

    const path = join(cellFolder(alone, cell), "pairs.hdf5");
    const data = await loadTransitions(path);
    assertEquals([data.count, data.observationDim, data.actionDim], [8, 11, 3]);
    const lines = (await Deno.readTextFile(path.replace(".hdf5", ".csv"))).trim().split("\n");
    assertEquals(lines.length, 9);
    near(lines[8].split(",").map(Number), [...data.observation.slice(-11), ...data.action.slice(-3)]);
    const bounded = { ...data, action: data.action.map((x) => Math.min(Math.max(x, -0.9), 0.9)) };
    const agent = algorithms.bc.create({ ...algorithms.bc.defaults }, { ...data, maxAction: 1 });
    let state = agent.init(createRng("bc"));
    const losses: number[] = [];
    for (let k = 0; k < 200; k++) {
      const result = await agent.update(state, drawBatch(bounded, 64, createRng(`${k}`)), createRng("noise"));
      state = result.state;
      losses.push(result.metrics.policyLoss);
    }
    assert(losses[199] < losses[0] / 5, `${losses[0]} to ${losses[199]}`);
  }));

Deno.test("reproduce stops on Ctrl-C with one line, leaves no half-written file, and goes on later", () =>
  withFolder(async (folder) => {
    const args = ["--profile", "quick", "--task", "25gaussians-near", "--algorithm", "dtql", "--out", folder];
    const child = reproduce(...args).spawn();
    const cell = planCells("quick", { task: "25gaussians-near", algorithm: "dtql" }, "onnx", "")[0];
    const metrics = join(cellFolder(folder, cell), "metrics.jsonl");
    for (let i = 0; i < 1200 && !await Deno.stat(metrics).catch(() => null); i++) {
      await new Promise((done) => setTimeout(done, 50));
    }
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    assertEquals(code, 130);
    assertStringIncludes(lastLine(stderr), "run the same command to go on");
    const left = [...Deno.readDirSync(cellFolder(folder, cell))].map(({ name }) => name);
    assert(left.every((name) => !name.endsWith(".part")), `${left}`);
  }));

Deno.test("bootstrapMean() covers the mean of normal seeds as often as it should, and has no interval for one seed", () => {
  const scores = Array.from({ length: 8 }, (_, i) => [i, i + 1, i + 2]);
  const { mean, low, high, n } = bootstrapMean(scores);
  assertEquals([mean, n], [4.5, 8]);
  // Seeds 0..7 have deviation 2.29; the mean of 8, with the episodes' own spread, about 0.83: 1.96 of it each side.
  assertAlmostEquals(low!, 4.5 - 1.64, 0.25);
  assertAlmostEquals(high!, 4.5 + 1.64, 0.25);
  assertEquals(bootstrapMean([[1, 2]]), { mean: 1.5, low: null, high: null, n: 1 });
  assertEquals(bootstrapMean(scores), bootstrapMean(scores));
});

Deno.test("tables print as text, Markdown and CSV", () => {
  const table = { title: "T", columns: ["a", "b"], rows: [["x, y", "1.5"], ["z", "10"]], notes: ["n"] };
  assertEquals(toText(table).split("\n").slice(4, 6), ["x, y  1.5", "z      10"]);
  assertStringIncludes(toMarkdown(table), "| x, y | 1.5 |");
  assertEquals(toCsv(table), 'a,b\n"x, y",1.5\nz,10\n');
});

Deno.test("writeFigure() writes a specification, an SVG and a PNG with text in it", () =>
  withFolder(async (folder) => {
    const figure = (title: string) => ({
      title,
      data: { values: [{ x: 1 }, { x: 2 }] },
      mark: "point" as const,
      encoding: { x: { field: "x", type: "quantitative" as const } },
    });
    await writeFigure(join(folder, "a"), figure("A title"));
    await writeFigure(join(folder, "b"), figure(" "));
    assertStringIncludes(await Deno.readTextFile(join(folder, "a.svg")), "A title");
    const [a, b] = await Promise.all(["a", "b"].map((name) => Deno.readFile(join(folder, `${name}.png`))));
    assertEquals([...a.subarray(1, 4)], [0x50, 0x4e, 0x47]);
    assert(a.length > b.length + 200, "the title left no pixels; is the font there?");
  }));
