import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { type Cell, cellFolder } from "../../../results/cells/cell.ts";
import type { Evaluation } from "../../../results/cells/record.ts";
import { planCells } from "../../../results/plan.ts";
import { runScript, swiftShader } from "../../engine/gpu_process.ts";
import { startCluster, testsCluster } from "../../cluster.ts";
import { listProcesses } from "../../processes.ts";
import { reproduce as command, textOf } from "../reproduce.ts";

const run = async (args: string[], env: Record<string, string> = {}) => {
  const { code, stdout, stderr } = await command(args, env).output();
  return { code, out: textOf(stdout), err: textOf(stderr) };
};

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

async function until(what: string, seconds: number, holds: () => Promise<boolean>) {
  for (let i = 0; i < 2 * seconds; i++) {
    if (await holds()) return;
    await wait(500);
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

/** What a cell's results say, without times. */
async function outcome(root: string, cell: Cell) {
  const folder = cellFolder(root, cell);
  const { result, updates }: Evaluation = JSON.parse(await Deno.readTextFile(join(folder, "evaluation.json")));
  return { result, updates, policy: await Deno.readFile(join(folder, "policy.onnx")) };
}

/** A table's lines without the column of training times, which is the last. */
const timeless = async (path: string) =>
  (await Deno.readTextFile(path)).split("\n").map((line) => line.split(",").slice(0, -1).join(","));

const onCluster = { ignore: !await testsCluster(), sanitizeOps: false, sanitizeResources: false };

Deno.test({
  ...onCluster,
  name: "reproduce on Slurm: 24 cells, two of them killed and the node drained, end in the local executor's report",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const cluster = await startCluster(join(folder, "slurm"));
    try {
      const [local, remote] = ["local", "remote %j, \\x"].map((name) => join(folder, name)); // %j is a pattern of Slurm's.
      const seeds = Array.from({ length: 12 }, (_, i) => i);
      const selection = ["--profile", "smoke", "--only", "bandits", "--seeds", seeds.join(",")];
      const cells = planCells("smoke", { only: "bandits", seeds }, "onnx", "");
      assertEquals(cells.length, 24);
      const reproduce = (root: string, ...args: string[]) => run([...selection, "--out", root, ...args], cluster.env);

      const first = await reproduce(
        remote,
        "--executor",
        "slurm",
        "--partition",
        "work",
        "--memory",
        "900M",
        "--jobs",
        "2",
      );
      assertEquals(first.code, 0, first.err);
      assertStringIncludes(first.out, "Submitted 24 cells");
      const twice = await reproduce(remote, "--executor", "slurm");
      assertStringIncludes(twice.err, "an earlier submission is still in the queue");

      let killed = 0;
      const victims = new Set<string>();
      await until("two cells killed", 120, async () => {
        for (const { pid, command } of await listProcesses()) {
          const index = command.match(/run_cell\.ts .*cells_0\.json (\d+)$/)?.[1];
          if (!command.includes(`${remote} `) || index === undefined || victims.has(index) || killed === 2) continue;
          victims.add(index);
          Deno.kill(pid, "SIGKILL");
          killed++;
        }
        return killed === 2;
      });
      const drain = await cluster.command(
        "scontrol",
        "update",
        `nodename=${cluster.node}`,
        "state=drain",
        "reason=test",
      );
      assertEquals(drain.code, 0, drain.text);
      await until("nothing runs on the drained node", 120, async () => {
        const { out } = await reproduce(remote, "--status");
        return /, 0 running, [1-9]\d* waiting, 0 failed/.test(out);
      });
      await cluster.command("scontrol", "update", `nodename=${cluster.node}`, "state=resume");
      await until("the report", 400, async () => {
        const { text } = await cluster.command("squeue", "-h");
        return text === "";
      });
      const { code, out } = await reproduce(remote, "--status");
      assertEquals([code, out.trim()], [0, "24 done, 0 running, 0 waiting, 0 failed"]);
      const [submission] = [...Deno.readDirSync(join(remote, "slurm", "smoke"))].map(({ name }) => name);
      const log = await Deno.readTextFile(join(remote, "slurm", "smoke", submission, "report.log"));
      assertStringIncludes(log, "24 of 24 cells");

      assertEquals((await reproduce(local)).code, 0);
      for (const cell of cells) assertEquals(await outcome(remote, cell), await outcome(local, cell));
      const table = (root: string) => timeless(join(root, "smoke", "bandits.csv"));
      assertEquals(await table(remote), await table(local));
      const picture = (root: string) => Deno.readFile(join(root, "smoke", "bandits.png"));
      assertEquals(await picture(remote), await picture(local));
      assert((await Deno.stat(join(remote, "report.html"))).size > 100_000);

      await Deno.remove(join(cellFolder(remote, cells[0]), "evaluation.json"));
      await reproduce(remote, "--executor", "slurm");
      const cancelled = await reproduce(remote, "--cancel");
      assertStringIncludes(cancelled.out, "Cancelled");
      await until("an empty queue", 60, async () => (await cluster.command("squeue", "-h")).text === "");
    } finally {
      await cluster.stop();
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  ...onCluster,
  name:
    "submitCells() that is refused leaves nothing in the queue and puts nothing aside; a job without a log says why",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const cluster = await startCluster(join(folder, "slurm"));
    try {
      const root = join(folder, "out");
      const queue = async () =>
        (await cluster.command("squeue", "-h", "-r", "-o", "%T")).text.split("\n").filter(Boolean);
      // Slurm itself, but for the second array.
      const real = (await cluster.command("which", "sbatch")).text;
      await Deno.mkdir(join(folder, "bin"));
      await Deno.writeTextFile(
        join(folder, "bin", "sbatch"),
        `#!/bin/bash\ncase "$*" in *cells_1000.sh*) echo "sbatch: error: Batch job submission failed" >&2; exit 1;; esac\nexec ${real} "$@"\n`,
        { mode: 0o755 },
      );
      const refusing = { ...cluster.env, PATH: `${join(folder, "bin")}:${Deno.env.get("PATH")}` };
      const many = [
        "--profile",
        "smoke",
        "--only",
        "bandits",
        "--seeds",
        "0-511",
        "--out",
        root,
        "--executor",
        "slurm",
      ];
      const half = await run([...many, "--jobs", "1"], refusing);
      assertEquals(half.code, 1);
      assertStringIncludes(half.err, "Batch job submission failed; what was submitted before it (");
      await until("an empty queue", 60, async () => (await queue()).length === 0);

      const few = ["--profile", "smoke", "--only", "bandits", "--out", root];
      const local = await run(few);
      assertEquals(local.code, 0, local.err);
      const cells = planCells("smoke", { only: "bandits" }, "onnx", "");
      const kept = () => Promise.all(cells.map((cell) => outcome(root, cell)));
      const before = await kept();
      const none = await run([...few, "--fresh", "--executor", "slurm"], { PATH: "/nowhere" });
      assertEquals(none.code, 1);
      assertEquals(await kept(), before);

      await cluster.command("scontrol", "update", `nodename=${cluster.node}`, "state=drain", "reason=test");
      const again = await run([...few, "--fresh", "--executor", "slurm"], cluster.env);
      assertEquals(again.code, 0, again.err);
      assertStringIncludes(again.out, "2 of 2 cells are done already; they are put aside and trained again");
      assertEquals([...Deno.readDirSync(join(root, "replaced"))].length, 1);
      const [submission] = [...Deno.readDirSync(join(root, "slurm", "smoke"))].map(({ name }) => name).sort().reverse();
      const own = join(root, "slurm", "smoke", submission);
      await Deno.rename(own, `${own}.away`); // So that Slurm cannot write what the tasks say.
      await cluster.command("scontrol", "update", `nodename=${cluster.node}`, "state=resume");
      await until("the end of all tasks", 120, async () => (await queue()).length === 0);
      await Deno.remove(own, { recursive: true }).catch(() => {});
      await Deno.rename(`${own}.away`, own);
      const { code, out } = await run([...few, "--status"], cluster.env);
      assertEquals(code, 1);
      assertStringIncludes(out, "0 done, 0 running, 0 waiting, 2 failed");
      assertMatch(out, /seed 0: it was stopped \(FAILED, .*exit code \d+:\d+\); it left no log/);
    } finally {
      await cluster.stop();
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "reproduce on Slurm on a GPU asks for one, and trains all seeds of a cell as one task",
  ignore: onCluster.ignore || await runScript(["open", "gpu"]) !== "gpu",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const cluster = await startCluster(join(folder, "slurm"));
    try {
      const root = join(folder, "out");
      const selection = [
        "--profile",
        "smoke",
        "--only",
        "bandits",
        "--algorithm",
        "dtql",
        "--seeds",
        "0,1",
        "--backend",
        "gpu",
        "--out",
        root,
      ];
      const env = { ...cluster.env, VK_ICD_FILENAMES: swiftShader! };
      const submitted = await run([...selection, "--executor", "slurm", "--jobs", "1"], env);
      assertEquals(submitted.code, 0, submitted.err);
      const cells = planCells("smoke", { only: "bandits", algorithm: "dtql", seeds: [0, 1] }, "gpu", "");
      assertStringIncludes(submitted.out, `Submitted ${cells.length} cells`);
      const { text } = await cluster.command("scontrol", "show", "job", "--oneliner");
      const jobs = text.split("\n");
      assertEquals(jobs.filter((job) => /TresPerNode=gres[:/]gpu:1/.test(job)).length, jobs.length - 1); // But for the report.
      await until("the end", 400, async () => (await cluster.command("squeue", "-h")).text === "");
      const { code, out } = await run([...selection, "--status"], env);
      assertEquals([code, out.trim()], [0, `${cells.length} done, 0 running, 0 waiting, 0 failed`]);
      const [submission] = [...Deno.readDirSync(join(root, "slurm", "smoke"))].map(({ name }) => name);
      const logs = [...Deno.readDirSync(join(root, "slurm", "smoke", submission))].map(({ name }) => name);
      assertEquals(logs.filter((name) => /^cells_0_\d+\.log$/.test(name)).length, cells.length / 2);
    } finally {
      await cluster.stop();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
