import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { decodeCheckpoint } from "../../../algorithms/engine/checkpoint.ts";
import { makeLocalDataset } from "../../../data/local.ts";
import { workspaceFolder } from "../../../tools/paths.ts";

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

Deno.test("reproduce --profile paper fetches D4RL's data by their id, verifies them, trains, and goes on after a kill", async () => {
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
  const out = join(folder, "out");
  const data = join(folder, "data");
  const start = () =>
    new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--quiet", "tools/task.ts", "reproduce", "--profile", "paper", "--only", "dtql"],
        ...["--task", "hopper-medium-v2", "--algorithm", "dtql", "--seeds", "0", "--jobs", "1", "--out", out],
      ],
      cwd: workspaceFolder,
      env: {
        D4RL_DATASET_HOST: `http://127.0.0.1:${server.addr.port}/`,
        D4RL_DATASET_CATALOG: catalog,
        D4RL_DATASET_DIR: data,
      },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  /** Trains until there is a checkpoint of more updates, then ends the run; its updates. */
  const trainBeyond = async (least: number): Promise<number> => {
    const child = start();
    const [stdout, stderr] = [new Response(child.stdout).text(), new Response(child.stderr).text()];
    let [updates, ended] = [0, false];
    child.status.then(() => ended = true);
    const deadline = Date.now() + 240_000;
    while (updates <= least && !ended && Date.now() < deadline) {
      await new Promise((done) => setTimeout(done, 200));
      const [path] = find(join(out, "runs"), "checkpoint.safetensors");
      if (path === undefined) continue;
      try {
        updates = Number(decodeCheckpoint(await Deno.readFile(path)).metadata.updates);
      } catch {
        // Another one is just being put in its place.
      }
    }
    if (!ended) child.kill("SIGTERM");
    await child.status;
    assert(updates > least, `${updates} updates: ${await stdout} ${await stderr}`);
    return updates;
  };
  try {
    const first = await trainBeyond(0);
    assertEquals(asked, ["/hopper_medium-v2.hdf5"]);
    assertEquals(await Deno.readFile(join(data, "hopper_medium-v2.hdf5")), bytes);
    await trainBeyond(first);
    const [run] = find(join(out, "runs"), "run.json");
    assertEquals(JSON.parse(await Deno.readTextFile(run)).datasetSha256, sha256);
    assertEquals(asked.length, 1); // What is there and verified is not fetched again.
    // A file that is another's is refused by name, and not trained on.
    await Deno.remove(join(data, "hopper_medium-v2.hdf5"));
    served = Uint8Array.from(bytes, (byte, index) => index === bytes.length - 1 ? byte ^ 1 : byte);
    const child = start();
    const timer = setTimeout(() => child.kill("SIGTERM"), 240_000);
    const { code, stderr } = await child.output();
    clearTimeout(timer);
    const message = new TextDecoder().decode(stderr);
    assertEquals(code, 1, message);
    assert(message.includes("hopper_medium-v2.hdf5") && /SHA-256/i.test(message), message);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
