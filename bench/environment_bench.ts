/**
 * Environment steps, resets included, against bare `mj_step` calls that simulate exactly the same; and two workers.
 *
 * @module
 */

import loadMujoco from "@mujoco/mujoco";
import { createEnvironment, type Environment, tasks } from "../environments/mod.ts";

const mujoco = await loadMujoco();
const steps = 2000;

/** Actions that repeat. */
const actionTable = (dim: number) =>
  Array.from({ length: 64 }, (_, i) => Float64Array.from({ length: dim }, (_, j) => Math.sin((i * dim + j) ** 2)));

/** Steps through episodes; `onReset` hears of each start. */
function play(env: Environment, actions: Float64Array[], onReset = (_step: number) => {}) {
  env.reset(0);
  onReset(0);
  for (let i = 0; i < steps; i++) {
    const { terminated, truncated } = env.step(actions[i % 64]);
    if (!terminated && !truncated) continue;
    env.reset(i);
    onReset(i + 1);
  }
}

for (const name of ["halfcheetah", "hopper", "walker2d", "ant", "antmaze-umaze-v2", "maze2d-umaze-v1"]) {
  const task = tasks[name];
  const env = await createEnvironment(task);
  const model = mujoco.MjModel.from_xml_string(task.xml("d4rl"))!;
  model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND.value;
  const data = new mujoco.MjData(model);
  const actions = actionTable(task.actionDim);
  const starts = new Map<number, [qpos: Float64Array, qvel: Float64Array]>();
  play(env, actions, (step) => starts.set(step, [env.qpos.slice(), env.qvel.slice()]));
  const group = `${name}, ${steps} steps`;
  Deno.bench("environment", { group, n: 7, warmup: 2 }, () => play(env, actions));
  Deno.bench("bare mj_step", { group, baseline: true, n: 7, warmup: 2 }, () => {
    const [ctrl, qpos, qvel] = [data.ctrl, data.qpos, data.qvel] as Float64Array[];
    for (let i = 0; i < steps; i++) {
      const start = starts.get(i);
      if (start) {
        mujoco.mj_resetData(model, data);
        qpos.set(start[0]);
        qvel.set(start[1]);
      }
      const action = actions[i % 64];
      for (let j = 0; j < task.actionDim; j++) ctrl[j] = (task.actionScale ?? 1) * action[j];
      task.prepare?.({ qpos, qvel } as never);
      for (let k = 0; k < task.frameSkip; k++) mujoco.mj_step(model, data);
    }
  });
}

/** A worker that steps HalfCheetah when told to. */
async function startWorker() {
  const worker = new Worker(new URL("./environment_worker.ts", import.meta.url), { type: "module" });
  const said = () => new Promise<void>((resolve) => worker.onmessage = () => resolve());
  await said();
  return () => {
    const done = said();
    worker.postMessage(steps);
    return done;
  };
}

const workers = [await startWorker(), await startWorker()];
for (const n of [1, 2]) {
  Deno.bench(`${n} worker${n > 1 ? "s" : ""}, each ${steps} steps`, {
    group: "halfcheetah in workers",
    baseline: n === 1,
    n: 7,
    warmup: 2,
  }, async () => {
    await Promise.all(workers.slice(0, n).map((run) => run()));
  });
}
