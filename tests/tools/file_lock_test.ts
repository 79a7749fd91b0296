import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { tryLock } from "../../tools/file_lock.ts";
import { hostName } from "../../tools/files.ts";
import { hasNoLocks } from "../../tools/flock.ts";
import type { Holder } from "../../tools/lock_holder.ts";
import { fromFileUrl } from "../../tools/paths.ts";
import { withFolder } from "../folder.ts";

const strace = "/usr/bin/strace";
const canTrace = Deno.build.os === "linux" && await Deno.stat(strace).then(() => true, () => false);
const script = fromFileUrl(new URL("./lock_script.ts", import.meta.url));
const allRights = ["-A"];

/** A process of lock_script.ts; with an error, the system itself answers it to every flock, as file systems do that have none. */
function start(error: string | null, args: string[], rights = allRights): Deno.ChildProcess {
  const run = [Deno.execPath(), "run", "--quiet", "--no-prompt", ...rights, script, ...args];
  const inject = [
    "-f",
    "-qq",
    "--seccomp-bpf",
    "-o",
    "/dev/null",
    "-e",
    "trace=flock",
    "-e",
    `inject=flock:error=${error}`,
  ];
  const [command, ...rest] = error === null ? run : [strace, ...inject, ...run];
  return new Deno.Command(command, { args: rest, stdout: "piped", stderr: "piped" }).spawn();
}

async function run(error: string | null, args: string[], rights?: string[]) {
  const { code, stdout, stderr } = await start(error, args, rights).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  return { code, out, err };
}

/** A holder, once it holds: its number, and what ends it as SIGKILL does. */
async function hold(error: string | null, path: string) {
  const child = start(error, ["hold", path]);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("held by")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`it ended: ${await new Response(child.stderr).text()}`);
    text += value;
  }
  const pid = Number(text.match(/held by (\d+)/)![1]);
  return {
    pid,
    text,
    async kill() {
      Deno.kill(pid, "SIGKILL"); // It, not what traces it.
      await child.status;
      await reader.cancel();
      return (await new Response(child.stderr).text()).trim();
    },
  };
}

const sentence = "this file system has no locks (flock); a file that names this process stands in for one";
const host = hostName();

/** The number of a process that has ended. */
async function endedProcess(): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
  await child.status;
  return child.pid;
}

Deno.test("hasNoLocks() knows what systems say of file systems without locks, and nothing else", () => {
  const numbers = { linux: [37, 38, 95], darwin: [45, 77, 78, 102], windows: [1, 50, 120] };
  const failed = (number: number) => new Error(`It failed (os error ${number})`);
  for (const [os, all] of Object.entries(numbers)) {
    for (const number of all) assert(hasNoLocks(failed(number), os), `${os} ${number}`);
    for (const number of [2, 5, 11, 13, 22, 28, 35]) assert(!hasNoLocks(failed(number), os), `${os} ${number}`);
  }
  assert(hasNoLocks(new Deno.errors.NotSupported("flock")));
  for (const code of ["ENOTSUP", "EOPNOTSUPP", "ENOLCK", "ENOSYS"]) {
    assert(hasNoLocks(Object.assign(new Error("flock"), { code })));
    assert(hasNoLocks(new Error(`flock: ${code}`), "other"));
  }
  assert(!hasNoLocks(Object.assign(new Error("flock"), { code: "EACCES" })));
});

for (const error of [null, "EOPNOTSUPP", "ENOLCK", "ENOSYS"]) {
  Deno.test({
    name: `a lock says who holds it, and outlives no killed process, where flock ${error ? `is ${error}` : "is there"}`,
    ignore: error !== null && !canTrace,
    fn: () =>
      withFolder(async (folder) => {
        const path = join(folder, "lock");
        const holder = await hold(error, path);
        const remedy = error ? `; if that process is gone, remove ${path}` : "";
        assertEquals((await run(error, ["try", path])).out, `process ${holder.pid} on ${host}${remedy}`);
        assertEquals(await holder.kill(), error ? `${folder}: ${sentence}` : "");
        assert((await Deno.readTextFile(path)).startsWith(`${host} ${holder.pid}`));
        assertEquals((await run(error, ["try", path])).out, "free");
        assertEquals([...Deno.readDirSync(folder)], []);
      }),
  });

  Deno.test({
    name: `four processes that each lock 20 times are never two at once, where flock ${
      error ? `is ${error} and some leave their file as if killed` : "is there"
    }`,
    ignore: error !== null && (!canTrace || error === "ENOSYS"),
    fn: () =>
      withFolder(async (folder) => {
        const [path, file] = ["lock", "lines"].map((name) => join(folder, name));
        const gone = error ? [`${await endedProcess()}`] : [];
        const runs = await Promise.all([1, 2, 3, 4].map(() => run(error, ["append", path, file, "20", ...gone])));
        for (const { code, err } of runs) assertEquals([code, err], [0, error ? `${folder}: ${sentence}` : ""]);
        const lines = (await Deno.readTextFile(file)).trim().split("\n");
        assertEquals(lines.length, 160);
        for (let i = 0; i < lines.length; i += 2) {
          assertEquals([lines[i], lines[i + 1]], [`${parseInt(lines[i])} begins`, `${parseInt(lines[i])} ends`]);
        }
        assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name !== "lock"), [
          "lines",
        ]);
      }),
  });
}

Deno.test({
  name: "a process that waits where there is no flock has the lock after its holder was killed",
  ignore: !canTrace,
  fn: () =>
    withFolder(async (folder) => {
      const path = join(folder, "lock");
      const first = await hold("EOPNOTSUPP", path);
      const waiting = hold("EOPNOTSUPP", path);
      await new Promise((done) => setTimeout(done, 1000));
      await first.kill();
      const second = await waiting;
      assertStringIncludes(second.text, `process ${first.pid} on ${host}; if that process is gone, remove ${path}`);
      assert((await Deno.readTextFile(path)).startsWith(`${host} ${second.pid} `));
      await second.kill();
    }),
});

Deno.test("a lock of another machine, or of one without a name, is never taken over", () =>
  withFolder(async (folder) => {
    const path = join(folder, "lock");
    const gone = await endedProcess();
    for (const [name, who] of [["elsewhere", `process ${gone} on elsewhere`], ["host", `process ${gone}`]]) {
      const text = `${name} ${gone} token\n`;
      await Deno.writeTextFile(path, text);
      for (const error of canTrace ? [null, "ENOLCK"] : [null]) {
        const { out } = await run(error, ["try", path]);
        assertEquals(out, `${who}; if that process is gone, remove ${path}`);
        assertEquals(await Deno.readTextFile(path), text);
      }
    }
    await Deno.writeTextFile(path, ""); // Made and not yet written.
    if (canTrace) assertMatch((await run("ENOLCK", ["try", path])).out, /^another process; if .* remove .*lock$/);
  }));

Deno.test("a lock of a killed process needs the right to see that it is gone, and none to be waited for", () =>
  withFolder(async (folder) => {
    const path = join(folder, "lock");
    const gone = await endedProcess();
    const files = [`--allow-read=${folder}`, `--allow-write=${folder}`];
    const error = canTrace ? "ENOLCK" : null;
    const leave = () => Deno.writeTextFile(path, `${host} ${gone} token\n`);
    for (const more of [[], ["--allow-sys=hostname"], ["--allow-run=ps"]]) {
      await leave();
      const { out } = await run(error, ["try", path], [...files, ...more]);
      assertEquals(out, `process ${gone} on ${host}; if that process is gone, remove ${path}`);
    }
    for (const more of ["--allow-run=ps", "--allow-run"]) {
      await leave();
      assertEquals((await run(error, ["try", path], [...files, "--allow-sys=hostname", more])).out, "free");
    }
    assertEquals((await run(error, ["try", path], files)).out, "free"); // Without a name.
    assertEquals([...Deno.readDirSync(folder)], []);
  }));

Deno.test("a lock whose folder is put aside leaves no name there", () =>
  withFolder(async (folder) => {
    for (const error of canTrace ? [null, "ENOLCK"] : [null]) {
      const [from, to] = ["from", `to ${error}`].map((name) => join(folder, name));
      await Deno.mkdir(from);
      assertEquals((await run(error, ["move", join(from, "lock"), to])).out, '""');
    }
  }));

Deno.test("a process that dies while it takes a lock over blocks it, and the file to remove is named", () =>
  withFolder(async (folder) => {
    const path = join(folder, "lock");
    const gone = await endedProcess();
    await Deno.writeTextFile(path, `${host} ${gone} token\n`);
    await Deno.writeTextFile(`${path}.stale`, `${host} ${gone} other\n`);
    let by: Holder | undefined;
    assertEquals(await tryLock(path, (holder) => by = holder), null);
    assertEquals(by, {
      who: `process ${gone} on ${host}`,
      remedy: `; if that process is gone, remove ${path}.stale`,
    });
    await Deno.remove(`${path}.stale`);
    (await tryLock(path))![Symbol.dispose]();
    assertEquals([...Deno.readDirSync(folder)], []);
  }));

Deno.test({
  name: "tryLock() follows no link",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (folder) => {
      const path = join(folder, "lock");
      await Deno.symlink(join(folder, "nowhere"), path);
      await assertRejects(() => tryLock(path), Error, "must not be a symbolic link; remove the link");
    }),
});
