import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { profileNames } from "../../../results/experiments/experiment.ts";
import { experiments } from "../../../results/experiments/mod.ts";
import { answerClaims, claimLines, claims, claimsTable, judge } from "../../../results/report/claims.ts";
import { syntheticEvaluation } from "../synthetic.ts";

const hint = (experiment: string) => `run ${experiment}`;
const task = "hopper-medium-replay-local";

/** DTQL and Diffusion-QL on local Hopper, `gap` apart. */
const pair = (gap: number, seeds = 3) =>
  Array.from({ length: seeds }, (_, seed) => [
    syntheticEvaluation({ experiment: "dtql", algorithm: "dtql", task, seed }, [{
      score: 40 + seed,
      actMs: 0.1,
    }]),
    syntheticEvaluation({ experiment: "dtql", algorithm: "diffusion_ql", task, seed }, [
      { candidates: 1, score: 40 + seed - gap, actMs: 0.4 },
      { candidates: 50, score: 40 + seed - gap, actMs: 1.5 },
    ]),
  ]).flat();

const answerTo = (id: string, evaluations: Parameters<typeof answerClaims>[0]) =>
  answerClaims(evaluations, hint).filter(({ claim }) => claim.id === id);

Deno.test("judge() goes by the whole interval; one seed decides nothing", () => {
  const of = (low: number | null, mean: number, high: number | null) =>
    judge({ mean, low, high, n: 3 }, { atLeast: 0 });
  assertEquals(of(1, 2, 3), "holds");
  assertEquals(of(0, 2, 3), "holds");
  assertEquals(of(-1, 2, 3), "undecided");
  assertEquals(of(-3, -2, -1), "does not hold");
  assertEquals(of(null, 2, null), "seen once");
  assertEquals(of(null, -2, null), "undecided");
  assertEquals(judge({ mean: 0.1, low: 0.05, high: 0.15, n: 3 }, { atMost: 0.2 }), "holds");
  assertEquals(judge({ mean: 0.3, low: 0.25, high: 0.35, n: 3 }, { atMost: 0.2 }), "does not hold");
});

Deno.test("answerClaims() says that a claim holds, does not hold or is open, by the paired difference", () => {
  const verdict = (gap: number) => answerTo("dtql-over-diffusion-ql", pair(gap))[0];
  assertEquals(verdict(5).verdict, "holds");
  assertAlmostEquals(verdict(5).ours!.mean, 5, 1e-9);
  assertEquals(verdict(-5).verdict, "does not hold");
  assertEquals(verdict(5).task, task);
  const shipped = pair(5).map((run) => {
    const played = run.cell.seed === 0 ? 5 : 0;
    return { ...run, replay: { code: "older", episodes: played, equal: played } as const };
  });
  assertEquals(
    answerTo("dtql-over-diffusion-ql", shipped)[0].how,
    "replayed from shipped runs, by older code, 1 seed; as recorded in shipped runs, by older code, 2 seeds",
  );
  const [once] = answerTo("dtql-over-diffusion-ql", pair(5, 1));
  assertEquals([once.verdict, once.how], ["seen once", "trained here, 1 seed"]);
});

Deno.test("answerClaims() decides nothing against a baseline that has not learnt, and says so", () => {
  const of = (baseline: number, clone: number | null, dataMean: number) => {
    const runs = [0, 1, 2].flatMap((seed) => [
      syntheticEvaluation({ experiment: "dtql", algorithm: "dtql", task, seed }, [{ score: 40 + seed, actMs: 0.1 }]),
      syntheticEvaluation({ experiment: "dtql", algorithm: "diffusion_ql", task, seed }, [
        { candidates: 1, score: baseline + seed, actMs: 0.4 },
        { candidates: 50, score: baseline + seed, actMs: 1.5 },
      ]),
      ...(clone === null ? [] : [
        syntheticEvaluation({ experiment: "srpo", algorithm: "bc", task, seed }, [{ score: clone + seed, actMs: 0.1 }]),
      ]),
    ]);
    const [low, high] = [-20.272305, 3234.3];
    const datasetMean = low + dataMean / 100 * (high - low);
    for (const run of runs) run.environment!.datasetMean = datasetMean;
    const [{ verdict, why }] = answerTo("dtql-over-diffusion-ql", runs);
    return [verdict, why];
  };
  assertEquals(of(20, null, 15), ["holds", ""]);
  assertEquals(of(10, null, 15), ["undecided", "the baseline has not learnt: Diffusion-QL 10.5, the data 15.0"]);
  assertEquals(of(20, 21, 15)[0], "undecided");
  assertEquals(of(20, 30, 15), ["undecided", "the baseline has not learnt: Diffusion-QL 20.5, BC 30.5"]);
  assertEquals(of(20, 19, 15), ["holds", ""]);
});

Deno.test("answerClaims() answers over several tasks by the mean of their means, without those whose baseline has not learnt", () => {
  const tasks = [task, "halfcheetah-medium-replay-local", "walker2d-medium-local"];
  const runs = (gaps: readonly number[], dataMeans: readonly number[]) =>
    tasks.flatMap((task, i) =>
      pair(gaps[i]).map((run) => {
        const { environment } = run;
        const [low, high] = i === 0 ? [-20.272305, 3234.3] : i === 1 ? [-280.178953, 12135] : [1.629008, 4592.3];
        return {
          ...run,
          cell: { ...run.cell, task },
          environment: { ...environment!, datasetMean: low + dataMeans[i] / 100 * (high - low) },
        };
      })
    );
  const [over, ...each] = answerTo("dtql-over-diffusion-ql", runs([5, 3, -2], [0, 0, 0]));
  assertEquals([over.over, over.task, over.verdict, each.length], ["tasks", "3 tasks", "holds", 3]);
  assertAlmostEquals(over.ours!.mean, 2, 1e-9);
  const [without] = answerTo("dtql-over-diffusion-ql", runs([5, 3, -2], [90, 0, 0]));
  assertAlmostEquals(without.ours!.mean, 0.5, 1e-9);
  assertEquals(without.why, "the baseline has not learnt on 1 of 3 tasks, which do not count");
});

Deno.test("answerClaims() gives the ratio of times over seeds", () => {
  const timed = pair(0).map((e) => ({
    ...e,
    cell: { ...e.cell, experiment: "speed" },
    environment: null,
    result: e.environment!.rules.map(({ rule, actMs }) => ({ rule, actMs, batchMs: null })),
  }));
  const [{ ours, verdict }] = answerTo("dtql-faster", timed);
  assertAlmostEquals(ours!.mean, 4, 1e-9);
  assertEquals(verdict, "holds");
});

Deno.test("answerClaims() says what was not run and how to run it", () => {
  const answers = answerClaims([], hint);
  assertEquals(answers.length, claims.length);
  assert(answers.every(({ verdict, ours }) => verdict === "not run" && ours === null));
  assertStringIncludes(claimLines(answers).join("\n"), "run srpo");
});

Deno.test("claims name what must be measured, once each, and every profile runs their experiments", () => {
  assertEquals(new Set(claims.map(({ claim }) => claim.id)).size, claims.length);
  const listed = experiments.flatMap(({ claims }) => claims.map(({ id }) => id));
  assertEquals(claims.map(({ claim }) => claim.id).sort(), listed.sort());
  for (const { claim: { quoted, source, atLeast, atMost }, experiment } of claims) {
    assert(quoted && source);
    assert((atLeast === undefined) !== (atMost === undefined));
    for (const profile of profileNames) {
      if (profile === "quick" && experiment.plans.standard.length > 0) continue; // Its shipped runs are played again.
      if (profile === "standard" && experiment.onRequest) continue;
      assert(experiment.plans[profile].length > 0, `${experiment.name} in ${profile}`);
    }
  }
});

Deno.test("no unverified number reaches the checklist", () => {
  const unverified = claims.filter(({ claim: { mark } }) => mark === "unverified" || mark === "ours");
  const rows = claimsTable(answerClaims([], hint)).rows;
  for (const { claim } of unverified) assertEquals(rows.find(([, text]) => text === claim.claim)![2], "");
});
