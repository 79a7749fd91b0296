import { assert, assertEquals, assertRejects } from "@std/assert";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { cellFolder } from "../../../results/cells/cell.ts";
import { mlflowName, type MlflowRun, openMlflow } from "../../../results/cells/mlflow.ts";
import { openMetrics, readMetrics } from "../../../results/cells/metrics.ts";
import { withFolder } from "../../folder.ts";
import { changeCell, tinyCell, train } from "../cells.ts";
import { readStore, storeText } from "../mlflow.ts";

const run = (folder: string): MlflowRun => ({
  store: join(folder, "mlruns"),
  experiment: 'hopper: a "quoted" name',
  name: "dtql seed 0",
  identity: "hopper/dtql/0",
  params: {
    hidden: 256,
    rewardTransform: "none",
    teacherFile: "/home/somebody/teacher.json",
    cloning: { widths: [1, 2] },
  },
  tags: { algorithm: "dtql" },
});
const valuesOf = (folder: string) =>
  Object.fromEntries(
    Object.entries(readStore(join(folder, "mlruns"))[0].metrics).map((
      [name, lines],
    ) => [name, lines.map(({ step, value }) => [step, value])]),
  );

Deno.test("openMlflow() writes a run by MLflow's rules, with settings, tags, metrics and status", () =>
  withFolder(async (folder) => {
    const log = await openMlflow(run(folder), []);
    await log.append(10, { "loss/actor (mean)": 1e-7, criticLoss: -2.5 });
    await log.append(200_000, { "loss/actor (mean)": Infinity });
    await log.replace("score", [{ update: 10, value: 40 }]);
    const [running] = readStore(join(folder, "mlruns"));
    assertEquals([running.status, running.end], ["RUNNING", null]);
    await log.end("FAILED");
    const [failed, ...others] = readStore(join(folder, "mlruns"));
    assertEquals([failed.status, failed.start, others], ["FAILED", running.start, []]);
    assert(failed.end! >= failed.start);
    assertEquals([failed.experiment, failed.name], ['hopper: a "quoted" name', "dtql seed 0"]);
    assertEquals(failed.params, {
      hidden: "256",
      rewardTransform: "none",
      teacherFile: "teacher.json", // Where it lies is nobody's business.
      "cloning.widths": "[1,2]",
    });
    assertEquals(failed.tags, { "mlflow.runName": "dtql seed 0", "mlflow.source.type": "LOCAL", algorithm: "dtql" });
    assertEquals(valuesOf(folder), {
      "loss/actor _mean_": [[10, 1e-7], [200_000, Infinity]],
      criticLoss: [[10, -2.5]],
      score: [[10, 40]],
    });
  }));

Deno.test("openMetrics() goes on in the same MLflow run: later rows are dropped, none is doubled, times are kept", () =>
  withFolder(async (folder) => {
    const open = (updates: number, scores: { update: number; scores: number[] }[]) =>
      openMetrics(folder, updates, { mlflow: { ...run(folder), scores } });
    const log = await open(0, []);
    for (const update of [10, 20, 30]) await log.append(update, { loss: update, ...(update > 20 ? { late: 1 } : {}) });
    await log.score("score", [{ update: 10, scores: [1, 2] }, { update: 30, scores: [3] }]);
    const [before] = readStore(join(folder, "mlruns"));
    await new Promise((done) => setTimeout(done, 5));
    const resumed = await open(20, [{ update: 10, scores: [1, 2] }]);
    await resumed.append(30, { loss: 31 });
    await resumed.score("score", [{ update: 10, scores: [1, 2] }, { update: 30, scores: [4, 6] }]);
    await resumed.end("FINISHED");
    const [after, ...others] = readStore(join(folder, "mlruns"));
    assertEquals([after.id, after.start, after.status, others], [before.id, before.start, "FINISHED", []]);
    assertEquals(valuesOf(folder), { loss: [[10, 10], [20, 20], [30, 31]], score: [[10, 1.5], [30, 5]] });
    const times = (of: typeof before, name: string) => of.metrics[name].map(({ time }) => time);
    assertEquals(times(after, "loss").slice(0, 2), times(before, "loss").slice(0, 2));
    assertEquals(times(after, "score")[0], times(before, "score")[0]);
    assert(times(after, "loss")[2] > times(before, "loss")[2]);
    await open(0, []); // Trained again from the start.
    assertEquals(valuesOf(folder), {});
  }));

Deno.test("openMetrics() writes what JSON lines have into a run that is logged to MLflow from the middle on", () =>
  withFolder(async (folder) => {
    await (await openMetrics(folder, 0)).append(10, { loss: 1 });
    await openMetrics(folder, 10, { mlflow: { ...run(folder), scores: [{ update: 10, scores: [7] }] } });
    assertEquals(valuesOf(folder), { loss: [[10, 1]], score: [[10, 7]] });
  }));

Deno.test("mlflowName() gives names that MLflow takes", () => {
  const names = ["q/mean", "a:b", "../up", "/", "", "größe", "a//b", "x".repeat(300)].map(mlflowName);
  assertEquals(names, ["q/mean", "a_b", "up", "_", "_", "gr__e", "a/b", "x".repeat(250)]);
});

Deno.test("trainCell() with MLflow: one finished run with all settings, and nothing of the machine", () =>
  withFolder(async (root) => {
    await train({ ...tinyCell, logs: ["tensorboard", "mlflow"] }, root);
    const store = join(root, "mlruns");
    const [{ id: _id, start: _start, end: _end, params, metrics, tags, ...stored }, ...others] = readStore(store);
    assertEquals(others, []);
    assertEquals(stored, { experiment: "bandits/25gaussians-far", name: "dtql seed 0", status: "FINISHED" });
    assertEquals(Object.keys(params).sort(), Object.keys(tinyCell.config).sort());
    assertEquals(params.hidden, "32");
    assertEquals([tags.algorithm, tags.task, tags.seed, tags.profile], ["dtql", "25gaussians-far", "0", "smoke"]);
    const records = await readMetrics(cellFolder(root, tinyCell));
    assertEquals(records.length, 100);
    for (const name of new Set(records.flatMap(({ update: _, ...values }) => Object.keys(values)))) {
      const wanted = records.filter((record) => name in record).map((record) => [record.update, record[name]]);
      assertEquals(metrics[name].map(({ step, value }) => [step, value]), wanted, name);
    }
    const text = storeText(store);
    for (const secret of [root, hostname(), userInfo().homedir]) {
      assert(!text.includes(secret), `the store says "${secret}"`);
    }
  }));

Deno.test("trainCell() marks a run that diverged as failed", () =>
  withFolder(async (root) => {
    const cell = changeCell(tinyCell, { learningRate: 1e30 }, { logs: ["mlflow"] });
    await assertRejects(() => train(cell, root), Error, "diverged");
    assertEquals(readStore(join(root, "mlruns")).map(({ status }) => status), ["FAILED"]);
  }));
