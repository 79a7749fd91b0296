import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { decodeCheckpoint } from "../../../algorithms/engine/checkpoint.ts";
import { makeLocalDataset } from "../../../data/local.ts";
import { workspaceFolder } from "../../../tools/paths.ts";
import { startCluster, testsCluster } from "../../cluster.ts";
import { listProcesses } from "../../processes.ts";

/** Every file below a folder, of one name. */
function find(folder: string, name: string): string[] {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch {
    return []; // Not there yet.
  }
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory ? find(path, name) : entry.name === name ? [path] : [];
  });
}

/** Updates of the newest checkpoint below a folder; 0 if there is none. */
async function updatesOf(out: string): Promise<number> {
  const [path] = find(join(out, "runs"), "checkpoint.safetensors");
  if (path === undefined) return 0;
  try {
    return Number(decodeCheckpoint(await Deno.readFile(path)).metadata.updates);
  } catch {
    return 0; // Another one is just being put in its place.
  }
}

/** Waits until something holds; false if it does not within four minutes. */
async function until(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + 240_000;
  while (Date.now() < deadline) {
    if (await holds()) return true;
    await new Promise((done) => setTimeout(done, 200));
  }
  return false;
}

interface Published {
  /** An empty folder, for the results. */
  out: string;
  /** Where datasets lie: nothing yet. */
  data: string;
  bytes: Uint8Array<ArrayBuffer>;
  sha256: string;
  /** Paths that the server was asked for. */
  asked: string[];
  /** Serves other bytes of the same number. */
  serve(bytes: Uint8Array<ArrayBuffer>): void;
  /** `reproduce` of one cell of the paper profile. */
  reproduce(args?: readonly string[], env?: Record<string, string>): Deno.Command;
}

/** Publishes a small file as `hopper-medium-v2`, on a server of this machine. */
async function withPublished(only: string, algorithm: string, use: (published: Published) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  const source = join(folder, "source.hdf5");
  await makeLocalDataset(
    { id: "hopper-random-local", task: "hopper", transitions: 3000, behaviours: [{ kind: "random" }], seed: 0 },
    source,
  );
  const bytes = await Deno.readFile(source);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const catalog = join(folder, "catalog.json");
  await Deno.writeTextFile(catalog, JSON.stringify({ "hopper-medium-v2": { bytes: bytes.length, sha256 } }));
  const asked: string[] = [];
  let served = bytes;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    asked.push(new URL(request.url).pathname);
    return new Response(served, { headers: { "content-length": `${bytes.length}`, etag: '"one"' } });
  });
  const [out, data] = ["out", "data"].map((name) => join(folder, name));
  const reproduce = (args: readonly string[] = [], env: Record<string, string> = {}) =>
    new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--quiet", "tools/task.ts", "reproduce", "--profile", "paper", "--only", only],
        ...[
          "--task",
          "hopper-medium-v2",
          "--algorithm",
          algorithm,
          "--seeds",
          "0",
          "--jobs",
          "1",
          "--out",
          out,
          ...args,
        ],
      ],
      cwd: workspaceFolder,
      env: {
        D4RL_DATASET_HOST: `http://127.0.0.1:${server.addr.port}/`,
        D4RL_DATASET_CATALOG: catalog,
        D4RL_DATASET_DIR: data,
        ...env,
      },
      stdout: "piped",
      stderr: "piped",
    });
  try {
    await use({ out, data, bytes, sha256, asked, serve: (other) => served = other, reproduce });
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("reproduce --profile paper fetches D4RL's data by their id, verifies them, trains, and goes on after a kill", () =>
  withPublished("dtql", "dtql", async ({ out, data, bytes, sha256, asked, serve, reproduce }) => {
    /** Trains until there is a checkpoint of more updates, then ends the run; its updates. */
    const trainBeyond = async (least: number): Promise<number> => {
      const child = reproduce().spawn();
      const [stdout, stderr] = [new Response(child.stdout).text(), new Response(child.stderr).text()];
      let [updates, ended] = [0, false];
      child.status.then(() => ended = true);
      await until(async () => ended || (updates = await updatesOf(out)) > least);
      if (!ended) child.kill("SIGTERM");
      await child.status;
      assert(updates > least, `${updates} updates: ${await stdout} ${await stderr}`);
      return updates;
    };
    const first = await trainBeyond(0);
    assertEquals(asked, ["/hopper_medium-v2.hdf5"]);
    assertEquals(await Deno.readFile(join(data, "hopper_medium-v2.hdf5")), bytes);
    await trainBeyond(first);
    const [run] = find(join(out, "runs"), "run.json");
    assertEquals(JSON.parse(await Deno.readTextFile(run)).datasetSha256, sha256);
    assertEquals(asked.length, 1); // What is there and verified is not fetched again.
    // A file that is another's is refused by name, and not trained on.
    await Deno.remove(join(data, "hopper_medium-v2.hdf5"));
    serve(Uint8Array.from(bytes, (byte, index) => index === bytes.length - 1 ? byte ^ 1 : byte));
    const child = reproduce().spawn();
    const timer = setTimeout(() => child.kill("SIGTERM"), 240_000);
    const { code, stderr } = await child.output();
    clearTimeout(timer);
    const message = new TextDecoder().decode(stderr);
    assertEquals(code, 1, message);
    assert(message.includes("hopper_medium-v2.hdf5") && /SHA-256/i.test(message), message);
  }));

Deno.test({
  name:
    "reproduce --profile paper on Slurm fetches and verifies before it submits, and a killed cell goes on by itself",
  ignore: !await testsCluster(),
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    withPublished("srpo", "bc", async ({ out, data, bytes, asked, reproduce }) => {
      const cluster = await startCluster(join(out, "..", "slurm"));
      const said = async (...args: string[]) => {
        const { code, stdout, stderr } = await reproduce(args, cluster.env).output();
        const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
        assertEquals(code, 0, text);
        return text;
      };
      try {
        assert((await said("--executor", "slurm", "--memory", "2G")).includes("Submitted 1 cell"));
        assertEquals(asked, ["/hopper_medium-v2.hdf5"]);
        assertEquals(await Deno.readFile(join(data, "hopper_medium-v2.hdf5")), bytes);
        let updates = 0;
        assert(await until(async () => (updates = await updatesOf(out)) > 0), await said("--status"));
        const own = (await listProcesses()).filter(({ command }) =>
          command.includes("run_cell.ts") && command.includes(` ${out} `)
        );
        for (const { pid } of own) Deno.kill(pid, "SIGKILL");
        const before = updates;
        assert(await until(async () => (updates = await updatesOf(out)) > before), await said("--status"));
        const logs = [...Deno.readDirSync(join(out, "slurm", "paper"))].map(({ name }) =>
          join(out, "slurm", "paper", name, "cells_0_0.log")
        );
        assertEquals((await Deno.readTextFile(logs[0])).match(/"error"/), null);
        assertEquals(asked.length, 1);
        assert((await said("--status")).includes("0 done, 1 running, 0 waiting, 0 failed"));
        await said("--cancel");
        assert(await until(async () => (await cluster.command("squeue", "-h")).text === ""));
      } finally {
        await cluster.stop();
      }
    }),
});
