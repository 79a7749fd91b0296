import { assert, assertEquals } from "@std/assert";
import { isAbsolute, join } from "node:path";
import { makeLocalDataset } from "../../data/local.ts";
import { localRecipes } from "../../data/recipes.ts";
import type { Backend } from "../../algorithms/engine/backend.ts";
import { planCells } from "../../results/plan.ts";
import { workspaceFolder } from "../../tools/paths.ts";
import { runScript, swiftShader } from "../engine/gpu_process.ts";
import { withFolder } from "../folder.ts";
import { hasWebGpu } from "../processes.ts";
import { changeCell } from "../results/cells.ts";

const strace = "/usr/bin/strace";
const traced = Deno.build.os === "linux" && await Deno.stat(strace).then(() => true, () => false);

/** System calls that reach a network, and those that change a file system, by what they name. */
function readTrace(text: string): { addresses: string[]; written: string[] } {
  const [addresses, written]: [string[], string[]] = [[], []];
  for (const line of text.split("\n")) {
    const [, call, rest] = line.match(/^\d+\s+(\w+)\((.*)/) ?? [];
    if (call === undefined) continue;
    if (/^(connect|sendto|sendmsg|bind)$/.test(call)) {
      if (/AF_INET|nameserver/.test(rest)) addresses.push(line);
      continue;
    }
    if (/^open/.test(call) && !/O_(WRONLY|RDWR|CREAT)/.test(rest)) continue;
    const paths = [...rest.matchAll(/"([^"]*)"/g)];
    for (const [, path] of call.startsWith("symlink") ? paths.slice(1) : paths) { // Its first is what the link says.
      written.push(isAbsolute(path) ? path : join(workspaceFolder, path));
    }
  }
  return { addresses, written };
}

/** Backends that a cell is traced on, with what each needs here; TensorFlow's addon does not come from npm. */
const backends: Partial<Record<Backend, { here: boolean; env?: Record<string, string> }>> = {
  onnx: { here: true },
  wasm: { here: true },
  cpu: { here: true },
  gpu: { here: traced && await runScript(["open", "gpu"]) === "gpu", env: { VK_ICD_FILENAMES: swiftShader ?? "" } },
  webgpu: { here: traced && await hasWebGpu() },
};

for (const [backend, { here, env = {} }] of Object.entries(backends)) {
  Deno.test({
    name:
      `a cell of HDF5, MuJoCo and backend ${backend} asks for no address and writes to no folder but its own and Deno's cache`,
    ignore: !traced || !here,
    fn: () =>
      withFolder(async (folder) => {
        const [out, home, temporary, log] = ["out", "home", "temporary", "log"].map((name) => join(folder, name));
        for (const name of [out, home, temporary]) await Deno.mkdir(name);
        const recipe = localRecipes["hopper-medium-replay-local"];
        await makeLocalDataset({ ...recipe, transitions: 1000 }, join(folder, `${recipe.id}.hdf5`));
        const [planned] = planCells("smoke", { only: "dtql", algorithm: "dtql" }, backend as Backend, folder);
        const cell = changeCell(planned, { updates: 4, pretrainUpdates: 2 }, {
          evaluation: { episodes: 1, candidates: 1 },
        });
        const silent = new Set(["CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"]);
        const environment = Object.fromEntries(
          Object.entries(Deno.env.toObject()).filter(([name]) => !silent.has(name)),
        );
        const { DENO_DIR = join(environment.HOME ?? "", ".cache/deno") } = environment;
        const calls =
          "connect,sendto,sendmsg,bind,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat," +
          "symlink,symlinkat,link,linkat,truncate";
        const { success, stdout, stderr } = await new Deno.Command(strace, {
          args: [
            ...["-f", "-qq", "-s", "1000", "--seccomp-bpf", "-o", log, "-e", `trace=${calls}`, Deno.execPath()],
            ...["run", "--quiet", "--no-prompt", "-A", "--lock=tools/develop.lock"],
            ...["results/executors/run_cell.ts", out, JSON.stringify(cell)],
          ],
          cwd: workspaceFolder,
          clearEnv: true,
          env: {
            ...environment,
            ...env,
            MESA_SHADER_CACHE_DIR: temporary, // Where Debian's driver keeps what it compiled; else a folder of the home's.
            ...{ DENO_DIR, HOME: home, TMPDIR: temporary, DENO_NO_UPDATE_CHECK: "1" },
          },
          stdout: "piped",
          stderr: "piped",
        }).output();
        assert(success, [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join(""));
        const { addresses, written } = readTrace(await Deno.readTextFile(log));
        assertEquals(addresses, []);
        const installed = join(workspaceFolder, "node_modules"); // Which Deno looks after.
        const own = [out, temporary, join(folder, recipe.id), DENO_DIR, installed, "/dev/null"];
        assertEquals([...new Set(written.filter((path) => !own.some((place) => path.startsWith(place))))], []);
        assert(written.some((path) => path.endsWith("policy.onnx")), "nothing was traced");
      }),
  });
}
