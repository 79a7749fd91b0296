import { assert, assertEquals } from "@std/assert";
import { isAbsolute, join } from "node:path";
import { makeLocalDataset } from "../../data/local.ts";
import { localRecipes } from "../../data/recipes.ts";
import { planCells } from "../../results/plan.ts";
import { workspaceFolder } from "../../tools/paths.ts";
import { withFolder } from "../folder.ts";

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
    for (const [, path] of rest.matchAll(/"([^"]*)"/g)) {
      written.push(isAbsolute(path) ? path : join(workspaceFolder, path));
    }
  }
  return { addresses, written };
}

Deno.test({
  name:
    "a cell of HDF5, ONNX Runtime and MuJoCo asks for no address and writes to no folder but its own and Deno's cache",
  ignore: !traced,
  fn: () =>
    withFolder(async (folder) => {
      const [out, home, temporary, log] = ["out", "home", "temporary", "log"].map((name) => join(folder, name));
      for (const name of [out, home, temporary]) await Deno.mkdir(name);
      const recipe = localRecipes["hopper-medium-replay-local"];
      await makeLocalDataset({ ...recipe, transitions: 1000 }, join(folder, `${recipe.id}.hdf5`));
      const [cell] = planCells("smoke", { only: "dtql", algorithm: "dtql" }, "onnx", folder);
      const silent = new Set(["CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"]);
      const environment = Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => !silent.has(name)));
      const { DENO_DIR = join(environment.HOME ?? "", ".cache/deno") } = environment;
      const calls =
        "connect,sendto,sendmsg,bind,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat," +
        "symlink,symlinkat,link,linkat,truncate";
      const { success, stdout, stderr } = await new Deno.Command(strace, {
        args: [
          ...["-f", "-qq", "-s", "1000", "--seccomp-bpf", "-o", log, "-e", `trace=${calls}`, Deno.execPath()],
          ...["run", "--quiet", "--no-prompt", "-A", "results/executors/run_cell.ts", out, JSON.stringify(cell)],
        ],
        cwd: workspaceFolder,
        clearEnv: true,
        env: { ...environment, DENO_DIR, HOME: home, TMPDIR: temporary, DENO_NO_UPDATE_CHECK: "1" },
        stdout: "piped",
        stderr: "piped",
      }).output();
      assert(success, [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join(""));
      const { addresses, written } = readTrace(await Deno.readTextFile(log));
      assertEquals(addresses, []);
      const installed = join(workspaceFolder, "node_modules/.deno"); // Which Deno looks after.
      const own = [out, temporary, join(folder, recipe.id), DENO_DIR, installed, "/dev/null"];
      assertEquals([...new Set(written.filter((path) => !own.some((place) => path.startsWith(place))))], []);
      assert(written.some((path) => path.endsWith("policy.onnx")), "nothing was traced");
    }),
});
