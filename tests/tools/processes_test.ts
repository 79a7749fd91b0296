import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { toFileUrl, workspaceFolder } from "../../tools/paths.ts";
import { childEnvironment, stopChild } from "../../tools/processes.ts";
import { listProcesses } from "../processes.ts";

const linux = Deno.build.os === "linux";
const processes = toFileUrl(join(workspaceFolder, "tools/processes.ts")).href;

/** A process that runs `code`, with what `tools/processes.ts` has. */
function start(code: string, env: Record<string, string> = {}) {
  const script = `import { childEnvironment, exitNow, onStop } from "${processes}"; ${code}`;
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--ext=ts", script],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Lines of a child's output as they come. */
async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));
const isRunning = async (pid: number) => (await listProcesses()).some((process) => process.pid === pid);

async function endsWithin(pid: number, ms: number): Promise<boolean> {
  for (const start = performance.now(); performance.now() - start < ms; await wait(50)) {
    if (!await isRunning(pid)) return true;
  }
  return false;
}

Deno.test({
  name: "onStop() takes three signals of one Ctrl-C as one, and another a second later as the last",
  ignore: Deno.build.os === "windows",
  async fn() {
    const child = start('onStop(() => console.log("asked")); console.log("ready"); setInterval(() => {}, 1000);');
    const lines = linesOf(child.stdout);
    assertEquals((await lines.next()).value, "ready");
    for (const signal of ["SIGINT", "SIGINT", "SIGTERM"] as const) child.kill(signal);
    assertEquals((await lines.next()).value, "asked");
    await wait(300);
    assert(await isRunning(child.pid));
    await wait(900);
    child.kill("SIGINT");
    assertEquals((await lines.next()).done, true); // Nothing was asked again.
    assertEquals((await child.status).code, 130);
    await child.stderr.cancel();
  },
});

Deno.test({
  name: "onStop() hears that the process which started it was killed",
  ignore: Deno.build.os === "windows",
  async fn() {
    const inner =
      `import { onStop } from "${processes}"; onStop(() => Deno.exit(130)); console.log(Deno.pid); setInterval(() => {}, 1000);`;
    const parent = start(`
      const args = ["eval", "--no-config", "--ext=ts", ${JSON.stringify(inner)}];
      new Deno.Command(Deno.execPath(), { args, env: childEnvironment() }).spawn();
      setInterval(() => {}, 1000);
    `);
    const pid = Number((await linesOf(parent.stdout).next()).value);
    assert(await isRunning(pid));
    parent.kill("SIGKILL");
    await Promise.all([parent.status, parent.stderr.cancel()]);
    assert(await endsWithin(pid, 5000), `process ${pid} outlived its parent`);
  },
});

Deno.test("stopChild() kills a child that is busy and hears nothing", async () => {
  const child = start('onStop(() => Deno.exit(0)); console.log("ready"); while (true);');
  assertEquals((await linesOf(child.stdout).next()).value, "ready");
  await stopChild(child, 300);
  assert(!(await child.status).success);
  await child.stderr.cancel();
});

Deno.test("childEnvironment() keeps large pages to glibc on x86-64, and updates and telemetry off", () => {
  const { GLIBC_TUNABLES, DENO_NO_UPDATE_CHECK, ORT_DISABLE_TELEMETRY } = childEnvironment();
  const { os, arch, env } = Deno.build;
  assertEquals(GLIBC_TUNABLES !== undefined, os === "linux" && arch === "x86_64" && env === "gnu");
  assertEquals([DENO_NO_UPDATE_CHECK, ORT_DISABLE_TELEMETRY], ["1", "1"]);
});

/** Runs a task in a pseudo-terminal; types Ctrl-C once `when` was shown. */
async function inTerminal(args: string[], when: RegExp): Promise<{ code: number; text: string }> {
  const command = ["deno", "task", ...args].map((arg) => `'${arg}'`).join(" ");
  const child = new Deno.Command("script", {
    args: ["--quiet", "--return", "--flush", "--command", command, "/dev/null"],
    cwd: workspaceFolder,
    env: { PATH: `${join(Deno.execPath(), "..")}:${Deno.env.get("PATH")}`, COLUMNS: "120" },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  let [text, typed] = ["", false];
  const keyboard = child.stdin.getWriter();
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (typed || !when.test(text)) continue;
    typed = true;
    await keyboard.write(Uint8Array.of(3)); // The terminal sends SIGINT to task runner, launcher and task at once.
  }
  await keyboard.close().catch(() => {});
  return { code: (await child.status).code, text };
}

Deno.test({
  name: "Ctrl-C in a terminal stops reproduce with a report, the way to go on, and the cursor",
  ignore: !linux,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const args = ["reproduce", "--profile", "smoke", "--only", "bandits", "--jobs", "1", "--out", folder];
      const { code, text } = await inTerminal(args, /1 of 2 cells/);
      assertEquals(code, 130, text);
      assertStringIncludes(text, "Report: ");
      assertStringIncludes(text, "run the same command to go on");
      assert(text.lastIndexOf("\x1b[?25h") > text.lastIndexOf("\x1b[?25l"), "the cursor stays hidden");
      assert(!(await listProcesses()).some(({ command }) => command.includes(folder)), "a process is left");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test({
    name: `no process outlives deno task that got ${signal}`,
    ignore: !linux,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        const child = new Deno.Command(Deno.execPath(), {
          args: ["task", "reproduce", "--profile", "smoke", "--only", "bandits", "--out", folder],
          cwd: workspaceFolder,
          stdin: "null",
          stdout: "null",
          stderr: "null",
        }).spawn();
        const ours = async () => (await listProcesses()).filter(({ command }) => command.includes(folder));
        const runs = async () => (await ours()).some(({ command }) => command.includes("run_cell.ts"));
        for (let i = 0; !await runs(); i++) {
          assert(i < 600, "no cell was started");
          await wait(100);
        }
        child.kill(signal);
        await child.status;
        for (const { pid, command } of await ours()) assert(await endsWithin(pid, 15_000), command);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
