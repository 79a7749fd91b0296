import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { dirname, join } from "node:path";
import { permissionFlags } from "../../tools/flags.ts";
import { groups, helpText } from "../../tools/help.ts";
import { currentCommit } from "../../tools/machine.ts";
import { workspaceFolder } from "../../tools/paths.ts";
import { checkVersion, leastDeno, rightsOf } from "../../tools/task.ts";
import { type ScriptTask, tasks } from "../../tools/tasks.ts";

const { tasks: described } = JSON.parse(await Deno.readTextFile(join(workspaceFolder, "deno.json")));

async function task(args: string[], cwd = workspaceFolder, env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "--config", join(workspaceFolder, "deno.json"), ...args],
    cwd,
    env: { NO_COLOR: "1", INIT_CWD: cwd, ...env }, // Which deno task leaves as it is, where it is known already.
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err };
}

async function withFolder(f: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await f(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function findFiles(folder: string, name: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  const found = await Promise.all(entries.map((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory ? findFiles(path, name) : entry.name === name ? [path] : [];
  }));
  return found.flat();
}

Deno.test("every task of deno.json is in the list of tools/tasks.ts, and no other", () => {
  assertEquals(Object.keys(described).sort(), Object.keys(tasks).sort());
  for (const [name, { command }] of Object.entries<{ command: string }>(described)) {
    assertEquals(command, `DENO_NO_UPDATE_CHECK=1 deno run --quiet -P=launch tools/task.ts ${name}`);
  }
});

Deno.test("deno task help has every task once, in lines of a terminal", () => {
  assertEquals([...Object.values(groups).flat(), "help"].sort(), Object.keys(tasks).sort());
  for (const line of helpText(described).split("\n")) assert(line.length <= 120, line);
});

for (const name of Object.keys(tasks)) {
  Deno.test(`deno task ${name} -h and --help say what it is, and do nothing`, async () => {
    const [short, long] = await Promise.all(["-h", "--help"].map((flag) => task([name, flag])));
    assertEquals([short.code, long.code], [0, 0], long.err);
    assertEquals(short.out, long.out);
    assertStringIncludes(long.out, "Usage: deno ");
  });
}

Deno.test("a task without arguments refuses them", async () => {
  const { code, err } = await task(["settings", "--dry-run"]);
  assertEquals(code, 1);
  assertStringIncludes(err, 'error: Cannot run settings: it takes no arguments, current is "--dry-run"');
});

Deno.test("checkVersion() takes the least version and newer ones, and names the way from an older one", () => {
  for (const version of [leastDeno, "2.9.6", "2.10.0", "3.0.0"]) checkVersion(version);
  for (const version of ["2.8.9", "2.5.6", "1.46.3"]) {
    assertThrows(() => checkVersion(version), RangeError, `current version is ${version}`);
  }
});

Deno.test("rightsOf() lets a task read what the user names and write where they say", () => {
  const script: ScriptTask = {
    script: "x.ts",
    rights: { write: ["results"] },
    writes: { "--out": "folder", "--figure": "beside" },
    takes: "arguments",
  };
  const at = (path: string) => join(workspaceFolder, path);
  const { read, write } = rightsOf(script, ["../run", "--out=/a,b/c", "--figure", "/d/e", "--seed", "1"]);
  assertEquals(read, [join(Deno.env.get("INIT_CWD") ?? Deno.cwd(), "../run")]);
  assertEquals(write, [at("results"), "/a,b/c", "/d"]);
});

Deno.test("permissionFlags() never splits a path: one with a comma is the folder where the process runs, or any", () => {
  const flag = (flags: string[], name: string) => flags.find((flag) => flag.startsWith(`--allow-${name}`));
  assertEquals(flag(permissionFlags({ write: ["/a b/c", "/d"] }), "write"), "--allow-write=/a b/c,/d");
  assertEquals(flag(permissionFlags({ write: ["/a,b"] }, "/a,b"), "write"), "--allow-write=.");
  assertEquals(flag(permissionFlags({ write: ["/a,b"] }, "/c"), "write"), "--allow-write");
  assertEquals(flag(permissionFlags({ write: ["/a,b"] }, "/c"), "read"), "--allow-read");
});

Deno.test("permissionFlags() gives nothing that was not asked for", () => {
  const flags = permissionFlags({});
  for (const name of ["write", "net", "run", "ffi"]) {
    assert(!flags.some((flag) => flag.startsWith(`--allow-${name}`)), name);
  }
  assert(!flags.includes("--allow-read") && !flags.includes("--allow-sys"), flags.join(" "));
  const asksName = (flags: string[]) => flags.some((flag) => /^--allow-sys=.*hostname/.test(flag));
  assertEquals([asksName(flags), asksName(permissionFlags({ write: ["/a"] }))], [false, true]);
});

Deno.test("every script task runs with its rights: make, show, train, compare, export, play", () =>
  withFolder(async (folder) => {
    const data = join(folder, "data");
    const run = async (...args: string[]) => {
      const { code, out, err } = await task(args, folder, {
        D4RL_DATASET_DIR: data,
        D4RL_MODELS_DIR: "",
        D4RL_DATASET_CATALOG: "",
      });
      assertEquals(code, 0, `${args.join(" ")}: ${err}`);
      return out;
    };
    await run("dataset", "list");
    await run("dataset", "make", "maze2d-umaze-local");
    assertStringIncludes(await run("dataset", "show", "maze2d-umaze-local", "--figure", "card"), "Figure: ");
    assert((await Deno.stat(join(folder, "card.png"))).size > 1000); // Where the user stands.
    const file = join(data, "maze2d-umaze-local.hdf5");
    await run("train", "bc", file, "--updates", "2", "--set", "hidden=16", "--seeds", "0,1", "--folder", "runs");
    const [kept] = [...Deno.readDirSync(join(folder, "runs/maze2d-umaze-local/bc"))];
    await run("compare", ...["seed_0", "seed_1"].map((seed) => join("runs/maze2d-umaze-local/bc", kept.name, seed)));
    await run("reproduce", "--profile", "smoke", "--only", "dtql", "--out", "results");
    const [evaluated] = await findFiles(join(folder, "results/runs"), "evaluation.json");
    await run("export", dirname(evaluated), "--out", "exported");
    assert((await Deno.stat(join(folder, "exported/policy.onnx"))).size > 1000);
    await run("play", "--static", "site");
    assert((await Deno.stat(join(folder, "site/page.js"))).size > 1000);
  }));

Deno.test("currentCommit() knows the commit of a clone, of a worktree, and of none", () =>
  withFolder(async (folder) => {
    const git = async (...args: string[]) => {
      const identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
      const { code, stdout, stderr } = await new Deno.Command("git", { args: [...identity, ...args], cwd: clone })
        .output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout).trim();
    };
    const [clone, tree] = ["clone", "tree, other"].map((name) => join(folder, name));
    await Deno.mkdir(clone);
    await git("init", "--quiet", "--initial-branch=main");
    await git("commit", "--quiet", "--allow-empty", "-m", "first");
    const first = await git("rev-parse", "HEAD");
    assertEquals(currentCommit(clone), first);
    await git("worktree", "add", "--quiet", "-b", "a+b.c", tree);
    await git("-C", tree, "commit", "--quiet", "--allow-empty", "-m", "second");
    const second = await git("-C", tree, "rev-parse", "HEAD");
    assertEquals([currentCommit(clone), currentCommit(tree)], [first, second]);
    await git("pack-refs", "--all");
    assertEquals([currentCommit(clone), currentCommit(tree)], [first, second]);
    await git("-C", tree, "checkout", "--quiet", "--detach");
    assertEquals(currentCommit(tree), second);
    assertEquals(currentCommit(dirname(clone)), null);
  }));
