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

Deno.test("judge() goes by the whole interval, or by the estimate where there is none", () => {
  const of = (low: number | null, mean: number, high: number | null) =>
    judge({ mean, low, high, n: 3 }, { atLeast: 0 });
  assertEquals(of(1, 2, 3), "holds");
  assertEquals(of(0, 2, 3), "holds");
  assertEquals(of(-1, 2, 3), "undecided");
  assertEquals(of(-3, -2, -1), "does not hold");
  assertEquals(of(null, 2, null), "holds");
  assertEquals(of(null, -2, null), "does not hold");
  assertEquals(judge({ mean: 0.1, low: 0.05, high: 0.15, n: 3 }, { atMost: 0.2 }), "holds");
  assertEquals(judge({ mean: 0.3, low: 0.25, high: 0.35, n: 3 }, { atMost: 0.2 }), "does not hold");
});

Deno.test("answerClaims() says that a claim holds, does not hold or is open, by the paired difference", () => {
  const verdict = (gap: number) => answerTo("dtql-over-diffusion-ql", pair(gap))[0];
  assertEquals(verdict(5).verdict, "holds");
  assertAlmostEquals(verdict(5).ours!.mean, 5, 1e-9);
  assertEquals(verdict(-5).verdict, "does not hold");
  assertEquals(verdict(5).task, task);
  assertEquals(answerTo("dtql-over-diffusion-ql", pair(5, 1))[0].why, "one seed");
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
      assert(experiment.plans[profile].length > 0, `${experiment.name} in ${profile}`);
    }
  }
});

Deno.test("no unverified number reaches the checklist", () => {
  const unverified = claims.filter(({ claim: { mark } }) => mark === "unverified" || mark === "ours");
  const rows = claimsTable(answerClaims([], hint)).rows;
  for (const { claim } of unverified) assertEquals(rows.find(([, text]) => text === claim.claim)![2], "");
});
