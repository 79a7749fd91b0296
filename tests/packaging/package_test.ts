import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join, relative } from "node:path";
import { workspaceFolder } from "../../tools/paths.ts";
import { standInFlags } from "../../tools/stand_ins.ts";
import { startRegistry } from "./registry.ts";

const flags = await standInFlags();
const config = JSON.parse(await Deno.readTextFile(join(workspaceFolder, "deno.json")));
const name = config.name as string;

async function deno(args: string[], cwd: string, env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err };
}

/** What a user's script does with the package: makes data, trains, acts, plays in workers, draws, changes the backend. */
const script = (from: string) => `
import { bc, createRng, dtql, evaluate, loadTransitions, makeBandit, train, useBackend } from "${from}";
import { srpo } from "${from}/algorithms";
import { initMlp } from "${from}/core";
import { loadBehaviours, makeLocalDataset, renderFigure } from "${from}/data";
import { ndarray } from "${from}/engine";
import { tasks } from "${from}/environments";
import { compare } from "${from}/results";

const id = "hopper-medium-replay-local";
await makeLocalDataset({ id, task: "hopper", transitions: 500, behaviours: [{ kind: "random" }], seed: 0 }, id + ".hdf5");
const data = await loadTransitions(id + ".hdf5");
const cloned = await train(bc, data, { updates: 4, folder: "run", overrides: { hidden: 16 } });
const { scores } = await evaluate(cloned, { episodes: 2 });

const bandit = makeBandit("25gaussians", "near", 1000, createRng(0));
const policy = await train(dtql, bandit, { updates: 4, overrides: { hidden: 16, batchSize: 32 } });
const action = await policy.act([0]);
const [linear, network] = await Promise.all(["hopper", "walker2d"].map((task) => loadBehaviours(task)));
const { png } = await renderFigure({
  data: { values: [{ x: 1 }] },
  mark: "point",
  encoding: { x: { field: "x", type: "quantitative" } },
});
const { onestep, commit } = JSON.parse(await Deno.readTextFile("run/run.json")).madeWith.versions;
console.log(JSON.stringify({
  returns: scores.length,
  action: action.length,
  snapshots: [linear.snapshots.length > 0, network.snapshots.length > 0],
  png: png.length > 100,
  wasm: await useBackend("wasm"),
  versions: [onestep, commit],
  subpaths: [typeof srpo, typeof initMlp, ndarray([1], [1]).shape.length, typeof tasks, typeof compare],
}));
`;

const wanted = {
  returns: 2,
  action: 2,
  snapshots: [true, true],
  png: true,
  wasm: "wasm",
  subpaths: ["object", "function", 1, "object", "function"],
};

/** Runs the script in a folder of its own, outside of the workspace, and checks its types. */
async function runOutside(from: string, settings: Record<string, unknown>, env: Record<string, string>) {
  const folder = join(await Deno.makeTempDir(), "a folder, of theirs");
  await Deno.mkdir(folder);
  try {
    await Deno.writeTextFile(join(folder, "script.ts"), script(from));
    await Deno.writeTextFile(join(folder, "deno.json"), JSON.stringify(settings));
    const checked = await deno(["check", "--quiet", "script.ts"], folder, env);
    assertEquals(checked.code, 0, checked.err);
    const { code, out, err } = await deno(["run", "--quiet", "-A", "script.ts"], folder, env);
    assertEquals(code, 0, err);
    const { versions, ...rest } = JSON.parse(out.trim().split("\n").at(-1)!);
    assertEquals(rest, wanted);
    return versions;
  } finally {
    await Deno.remove(join(folder, ".."), { recursive: true });
  }
}

Deno.test("the package runs in another folder whose deno.json links a checkout", async () => {
  const [onestep, commit] = await runOutside(name, { links: [workspaceFolder] }, {});
  assertEquals(onestep, config.version);
  assert(commit === null || /^[0-9a-f]{12}$/.test(commit));
});

Deno.test("the package is published, and runs from the registry, where no module is a file", async () => {
  await using registry = startRegistry();
  const env = { JSR_URL: registry.url };
  const published = await deno(
    ["publish", "--allow-dirty", "--no-check", "--token=none", ...flags],
    workspaceFolder,
    env,
  );
  assertEquals(published.code, 0, published.err);
  assertEquals(await runOutside(`jsr:${name}@${config.version}`, {}, env), [config.version, null]);
});

/** Modules of this workspace that the exported ones import. */
async function reachable(): Promise<string[]> {
  const modules = new Set<string>();
  for (const entry of Object.values<string>(config.exports)) {
    const { out } = await deno(["info", "--json", ...flags, entry], workspaceFolder);
    for (const { specifier } of JSON.parse(out).modules as { specifier: string }[]) {
      const path = specifier.startsWith("file:")
        ? relative(workspaceFolder, decodeURIComponent(new URL(specifier).pathname))
        : "";
      if (path && !path.startsWith("..") && !path.startsWith("node_modules")) modules.add(path);
    }
  }
  return [...modules];
}

Deno.test("what is published are the modules of the exports, what they start or read, and the papers of the package", async () => {
  const { code, out, err } = await deno(
    ["publish", "--dry-run", "--allow-dirty", "--no-check", ...flags],
    workspaceFolder,
  );
  assertEquals(code, 0, err);
  const listed = [...`${out}${err}`.matchAll(/^ +file:\/\/(\S+) \(([\d.]+)(B|KB|MB)\)$/gm)];
  const files = listed.map(([, path]) => relative(workspaceFolder, decodeURIComponent(path)));
  const others = ["CHANGELOG.md", "LICENSE", "README.md", "deno.json", "environments/play_worker.ts"];
  const behaviours = ["halfcheetah.safetensors", "hopper.json", "walker2d.safetensors"].map((file) =>
    `data/behaviour/${file}`
  );
  const wanted = [...await reachable(), ...others, ...behaviours];
  const whole = (path: string) => path.startsWith("algorithms/"); // What nobody imports there is for users, too.
  assertEquals({
    missing: wanted.filter((path) => !files.includes(path)),
    needless: files.filter((path) => !wanted.includes(path) && !whole(path)),
  }, { missing: [], needless: [] });
  const bytes = listed.reduce((sum, [, , size, unit]) => sum + Number(size) * { B: 1, KB: 1e3, MB: 1e6 }[unit]!, 0);
  assert(bytes < 2e6, `${bytes} bytes`);
});

Deno.test("npm packages that code names by version have the versions of deno.json", async () => {
  const known = new Set(
    [config.imports, ...Object.values(config.scopes)].flatMap((names) => Object.values<string>(names)),
  );
  for (const path of await reachable()) {
    for (
      const [, specifier] of (await Deno.readTextFile(join(workspaceFolder, path))).matchAll(/"(npm:@?[^@"]+@[^/"]+)/g)
    ) {
      assert(known.has(specifier), `${path}: ${specifier}`);
    }
  }
  assertStringIncludes([...known].join(), "npm:@tensorflow/tfjs-node-gpu@"); // Named in algorithms/engine/backend.ts alone.
});
