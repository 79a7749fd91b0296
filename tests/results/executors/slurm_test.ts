import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { type Cell, cellFolder } from "../../../results/cells/cell.ts";
import type { Evaluation } from "../../../results/cells/record.ts";
import { planCells } from "../../../results/plan.ts";
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

Deno.test({
  name: "reproduce on Slurm: 24 cells, two of them killed and the node drained, end in the local executor's report",
  ignore: !await testsCluster(),
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const cluster = await startCluster(join(folder, "slurm"));
    try {
      const [local, remote] = ["local", "remote"].map((name) => join(folder, name));
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
      const log = await Deno.readTextFile(join(remote, "slurm", "smoke", "report.log"));
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
