/**
 * A real Slurm on this machine alone: its own key, ports, state and configuration, in one folder.
 *
 * @module
 */

import { hostname } from "node:os";
import { join } from "node:path";

const installed = (path: string) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
};

/** Whether this machine has what it takes: Debian's `slurm-wlm` and `munge`, root, and daemons that start. */
export async function testsCluster(): Promise<boolean> {
  const has = Deno.build.os === "linux" && Deno.uid() === 0 &&
    ["/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/sbin/munged"].every(installed);
  if (!has) return false;
  const folder = await Deno.makeTempDir();
  try {
    await (await startCluster(folder)).stop();
    return true;
  } catch (error) {
    console.error((error as Error).message); // In a container that forbids it, for one.
    return false;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A running cluster of one node, with a GPU by name alone, and the partition `work`. */
export interface Cluster {
  env: Record<string, string>;
  node: string;
  command(name: string, ...args: string[]): Promise<{ code: number; text: string }>;
  stop(): Promise<void>;
}

/** A port of this machine that nobody listens on. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Starts it; every file is below `folder`. Tests of other files may start theirs at the same time. */
export async function startCluster(folder: string): Promise<Cluster> {
  for (let attempt = 1;; attempt++) {
    try {
      return await startOnce(folder);
    } catch (error) {
      if (attempt === 3 || !/Address already in use/.test((error as Error).message)) throw error;
    }
  }
}

async function startOnce(folder: string): Promise<Cluster> {
  const at = (name: string) => join(folder, name);
  for (const name of ["state", "spool"]) await Deno.mkdir(at(name), { recursive: true, mode: 0o700 });
  await Deno.chmod(folder, 0o700);
  await Deno.remove(at("munge.key")).catch(() => {}); // Of an attempt before.
  await Deno.writeFile(at("munge.key"), crypto.getRandomValues(new Uint8Array(1024)), { mode: 0o400 });
  const node = hostname().split(".")[0];
  const configuration = {
    ClusterName: "onestep",
    SlurmctldHost: `${node}(127.0.0.1)`,
    SlurmUser: "root",
    SlurmdUser: "root",
    AuthType: "auth/munge",
    // What is queued again waits until its credential has expired: two minutes, where nothing is said.
    AuthInfo: `socket=${at("munge.socket")},cred_expire=10`,
    CredType: "cred/munge",
    StateSaveLocation: at("state"),
    SlurmdSpoolDir: at("spool"),
    SlurmctldPidFile: at("slurmctld.pid"),
    SlurmdPidFile: at("slurmd.pid"),
    SlurmctldLogFile: at("slurmctld.log"),
    SlurmdLogFile: at("slurmd.log"),
    SlurmctldPort: freePort(),
    SlurmdPort: freePort(),
    ProctrackType: "proctrack/linuxproc",
    TaskPlugin: "task/none",
    JobAcctGatherType: "jobacct_gather/none",
    AccountingStorageType: "accounting_storage/none",
    GresTypes: "gpu",
    SelectType: "select/cons_tres",
    SelectTypeParameters: "CR_Core_Memory",
    ReturnToService: 2,
    MinJobAge: 600,
    // Queued again at once, where a site would wait.
    SchedulerParameters: "sched_interval=1,batch_sched_delay=0,bf_interval=1,requeue_delay=1",
  };
  const memory = 6000;
  await Deno.writeTextFile(
    at("slurm.conf"),
    [
      ...Object.entries(configuration).map(([name, value]) => `${name}=${value}`),
      `NodeName=${node} NodeAddr=127.0.0.1 CPUs=2 RealMemory=${memory} Gres=gpu:1 State=UNKNOWN`,
      `PartitionName=work Nodes=${node} Default=YES MaxTime=INFINITE State=UP`,
      "",
    ].join("\n"),
  );
  await Deno.writeTextFile(at("gres.conf"), "Name=gpu File=/dev/null\n");
  const env = { SLURM_CONF: at("slurm.conf") };
  const command = async (name: string, ...args: string[]) => {
    const output = await new Deno.Command(name, { args, env, stdout: "piped", stderr: "piped" }).output();
    const text = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes)).join("").trim();
    return { code: output.code, text };
  };
  const daemons: Deno.ChildProcess[] = [];
  const start = (name: string, ...args: string[]) =>
    daemons.push(new Deno.Command(name, { args, env, stdout: "null", stderr: "null" }).spawn());
  start(
    "munged",
    "--foreground",
    "--force",
    `--key-file=${at("munge.key")}`,
    `--socket=${at("munge.socket")}`,
    `--pid-file=${at("munge.pid")}`,
    `--log-file=${at("munge.log")}`,
    `--seed-file=${at("munge.seed")}`,
  );
  start("slurmctld", "-D", "-c");
  start("slurmd", "-D");
  const stop = async () => {
    await command("scancel", "--user=root");
    for (const daemon of daemons.reverse()) {
      try {
        daemon.kill("SIGTERM");
      } catch {
        // It ended first.
      }
      await daemon.status;
    }
  };
  for (let i = 0; i < 60; i++) {
    if (/idle/.test((await command("sinfo", "-h")).text)) return { env, node, command, stop };
    await new Promise((done) => setTimeout(done, 500));
  }
  const log = await Deno.readTextFile(at("slurmctld.log")).catch(() => "");
  await stop();
  throw new Error(`Cannot start Slurm: its node must become idle; ${log.trim().split("\n").slice(-3).join("; ")}`);
}
