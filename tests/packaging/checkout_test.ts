import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { exists, workspaceFolder } from "../../tools/paths.ts";

/** Runs a program to its output. */
async function run(command: string, args: string[], cwd: string): Promise<string> {
  const env = { NO_COLOR: "1", INIT_CWD: cwd };
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd, env }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Files of a folder, but what Git and Deno keep there. */
async function* filesIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (name === ".git" || name === "node_modules") continue;
    if (isDirectory) yield* filesIn(join(folder, name));
    else yield join(folder, name);
  }
}

Deno.test({
  name: "a checkout by a Git that likes CRLF, in a folder whose name is no syntax, has LF and runs",
  ignore: !exists(join(workspaceFolder, ".git")), // A copy without Git.
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const clone = join(folder, "Doe, Jane #%41 ü's", "one step");
      await run("git", ["-c", "core.autocrlf=true", "clone", "--quiet", workspaceFolder, clone], folder);
      for await (const path of filesIn(clone)) {
        if (/\.(gif|hdf5|onnx|png|safetensors)$/.test(path)) continue;
        assert(!(await Deno.readTextFile(path)).includes("\r"), path);
      }
      const list = await run(Deno.execPath(), ["task", "--quiet", "dataset", "list"], clone);
      assert(list.includes("hopper-medium-v2"), list);
      const out = join(folder, "out, there");
      await run(Deno.execPath(), [
        "task",
        "--quiet",
        "reproduce",
        "--profile",
        "smoke",
        "--only",
        "bandits",
        "--out",
        out,
      ], clone);
      assert(exists(join(out, "report.html")));
      assertEquals(await run("git", ["status", "--short"], clone), "");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
