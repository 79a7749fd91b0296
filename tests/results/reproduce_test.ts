import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { makeLocalDataset } from "../../data/local.ts";
import { localRecipes } from "../../data/recipes.ts";
import { sha256Of } from "../../data/source.ts";
import { type Cell, cellFolder } from "../../results/cells/cell.ts";
import { dataHash } from "../../results/cells/fingerprint.ts";
import { parseOptions } from "../../results/options.ts";
import { planCells } from "../../results/plan.ts";
import { fromFileUrl, workspaceFolder } from "../../tools/paths.ts";
import { withFolder } from "../folder.ts";
import { lastLine, reproduce, textOf } from "./reproduce.ts";

for (
  const [args, message] of [
    [["--profile", "quik"], 'unknown profile "quik"; did you mean "quick"?'],
    [["--task", "25gausians-far"], 'unknown task "25gausians-far"; did you mean "25gaussians-far"?'],
    [["--algorithm", "dtlq"], 'unknown algorithm "dtlq"; did you mean "dtql"?'],
    [["--only", "bandit"], 'unknown experiment "bandit"; did you mean "bandits"?'],
    [["--seeds", "a"], '--seeds must be an integer of at least 0 in decimal digits, current value is "a"'],
    [["--seeds", "1e3"], 'current value is "1e3"'],
    [["--seeds", "0x10"], 'current value is "0x10"'],
    [["--seeds", "9007199254740993"], 'current value is "9007199254740993"'],
    [["--seeds", "0,1,0"], "--seeds must differ, 0 is given twice"],
    [["--seeds", "0-3,2"], "--seeds must differ, 2 is given twice"],
    [["--seeds", "4..0"], '--seeds must ascend within 10,000, current range is "4..0"'],
    [["--seeds", "0", "--seeds", "1"], "--seeds must be given once, current is 2 times"],
    [["--jobs", "0"], '--jobs must be an integer of at least 1 in decimal digits, current value is "0"'],
    [["--threads", "1.5"], '--threads must be an integer of at least 1 in decimal digits, current value is "1.5"'],
    [["--out"], "--out needs a value"],
    [["--out", "--fresh"], "--out needs a value"],
    [["--report", "--fresh"], "one of --report and --fresh must be given, current are all of them"],
    [["quick"], 'unknown argument "quick"'],
    [["--executor", "slrum"], 'unknown executor "slrum"; did you mean "slurm"?'],
    [["--memory", "2G"], "--memory is for --executor slurm, current executor is local"],
    [["--log", "wandb"], 'unknown log "wandb"; did you mean "mlflow"? Known: tensorboard, mlflow'],
  ] as const
) {
  Deno.test(`parseOptions() refuses ${args.join(" ")}`, () => {
    const error = assertThrows(() => parseOptions(args), RangeError, message);
    assert(error.message.startsWith("Cannot reproduce: "));
  });
}

for (
  const [args, message] of [
    [["--profil", "quick"], 'unknown flag "--profil"; did you mean "--profile"?'],
    [["--backend", "onx"], 'Cannot use backend "onx": it must be one of onnx'],
    [["--status", "--profile", "smoke", "--out", "/nowhere"], "submit them with --executor slurm first"],
  ] as const
) {
  Deno.test(`reproduce ${args.join(" ")} ends with one clear line`, async () => {
    const { code, stderr } = await reproduce(args).output();
    assertEquals(code, 1);
    assertStringIncludes(lastLine(stderr), message);
    assert(lastLine(stderr).startsWith("error: Cannot "));
  });
}

Deno.test("reproduce --help and --dry-run say what there is", async () => {
  const help = textOf((await reproduce(["--help"]).output()).stdout);
  for (const flag of ["--profile", "--seeds", "--jobs", "--threads", "--fresh", "--dry-run", "--executor"]) {
    assertStringIncludes(help, flag);
  }
  const plan = textOf((await reproduce(["--dry-run", "--only", "bandits"]).output()).stdout);
  assert(/^bandits +swissroll-near +dql_kl +1 +\d+ (second|minute)s? +\d+$/m.test(plan), plan);
  assert(!plan.includes(workspaceFolder), "no path of this machine");
  const threaded = await reproduce(["--dry-run", "--only", "bandits", "--threads", "4096"]).output();
  assertStringIncludes(lastLine(threaded.stdout), "with 1 at once");
});

Deno.test("parseOptions() reads seeds as lists and ranges, and paths from where the user stands", () => {
  assertEquals(parseOptions(["--seeds", "0-2,5..6,9"]).seeds, [0, 1, 2, 5, 6, 9]);
  const [home, stand] = ["HOME", "INIT_CWD"].map((name) => Deno.env.get(name));
  try {
    Deno.env.set("HOME", "/home/someone");
    Deno.env.set("INIT_CWD", "/somewhere");
    assertEquals(parseOptions(["--out", "x"]).out, join("/somewhere", "x"));
    assertEquals(parseOptions(["--out=~/x", "--teacher", "~/t"]).out, join("/home/someone", "x"));
    assertEquals(parseOptions(["-h"]).help, true);
  } finally {
    for (const [name, value] of [["HOME", home], ["INIT_CWD", stand]] as const) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
});

const filesBelow = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = join(folder, name);
    return isDirectory ? filesBelow(path) : [path];
  });

/** What the cells of `smoke` say of themselves. */
async function runsOf(folder: string): Promise<{ cell: Cell; datasetSha256: string | null }[]> {
  const paths = filesBelow(join(folder, "runs", "smoke")).filter((path) => path.endsWith("run.json"));
  return await Promise.all(paths.map(async (path) => JSON.parse(await Deno.readTextFile(path))));
}

Deno.test("reproduce runs, reports and, run again, has nothing to do", () =>
  withFolder(async (folder) => {
    const args = ["--profile", "smoke", "--only", "bandits", "--out", folder];
    const first = await reproduce(args).output();
    assertEquals(first.code, 0, textOf(first.stderr));
    const text = textOf(first.stdout);
    assertStringIncludes(text, "Two-dimensional bandits");
    assertStringIncludes(text, "DQL-KL");
    for (const name of ["README.md", "bandits.csv", "bandits.json", "bandits.svg", "bandits.png"]) {
      assert((await Deno.stat(join(folder, "smoke", name))).size > 100, name);
    }
    const again = textOf((await reproduce(args).output()).stdout);
    assertStringIncludes(again, "2 of 2 cells are done already");
    const page = await Deno.readTextFile(join(folder, "report.html"));
    for (const part of ["2 of 2 cells", "Licences of the software", "vega 6.4.0, BSD-3-Clause"]) {
      assertStringIncludes(page, part);
    }
  }));

Deno.test("reproduce of SRPO samples its behaviour model too, compares it with the baselines, and every study is drawn", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(join(folder, "datasets"));
    const recipe = localRecipes["hopper-medium-replay-local"];
    const path = join(folder, "datasets", `${recipe.id}.hdf5`);
    await makeLocalDataset({ ...recipe, transitions: 2000 }, path);
    await Deno.writeTextFile(`${path}.made`, dataHash(recipe.id));
    const runs = [
      { only: "speed", table: "Time per action at published sizes", files: ["speed.csv"] },
      {
        only: "srpo",
        table: "Paired differences",
        files: ["srpo_differences.csv", "srpo_hopper-medium-replay-local.png", "speed.svg"],
      },
      {
        only: "bridges_offline",
        table: "Teachers and bridges on datasets",
        files: ["bridges_offline.csv", "bridges_offline_distance.png", "bridges_offline_speed.svg"],
      },
      {
        only: "family",
        table: "CPQL",
        files: ["family_scores.csv", "family_speed.svg"],
        more: ["--algorithm", "cpql"],
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
      const { code, stdout, stderr } = await reproduce([...args, ...more], {
        D4RL_DATASET_DIR: join(folder, "datasets"),
      }).output();
      assertEquals(code, 0, textOf(stderr));
      assertStringIncludes(textOf(stdout), table);
      for (const name of files) assert((await Deno.stat(join(folder, "smoke", name))).size > 100, name);
    }
    const named = [folder, fromFileUrl(new URL("../../", import.meta.url)), homedir(), hostname()];
    const places = named.filter((place) => place.length >= 5); // Shorter ones are in other words.
    for (const file of filesBelow(folder).filter((file) => !file.includes(`${folder}/datasets`))) {
      const text = new TextDecoder("latin1").decode(await Deno.readFile(file));
      for (const place of places) assert(!text.includes(place), `${file} says ${place}`);
    }
    const sha256 = await sha256Of(path);
    const found = new Map((await runsOf(folder)).map(({ cell, datasetSha256 }) => [cell.experiment, datasetSha256]));
    const trainedOn = {
      srpo: sha256,
      speed: null,
      toy: null,
      stitching: sha256,
      distillation: sha256,
      exponents: sha256,
      family: sha256,
      bridges_offline: sha256,
    };
    assertEquals(Object.fromEntries(found), trainedOn);
    assertStringIncludes(await Deno.readTextFile(join(folder, "smoke", "speed.csv")), "BFQ");
    const differences = await Deno.readTextFile(join(folder, "smoke", "srpo_differences.csv"));
    for (const other of ["Behaviour diffusion, 5 calls", "DTQL", "BC", "IQL", "TD3+BC", "ReBRAC"]) {
      assertStringIncludes(differences, other);
    }
  }));

Deno.test("reproduce stops on Ctrl-C with one line, leaves no half-written file, and goes on later", () =>
  withFolder(async (folder) => {
    const args = ["--profile", "quick", "--task", "25gaussians-near", "--algorithm", "dtql", "--out", folder];
    const child = reproduce(args).spawn();
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
