import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import {
  answerClaims,
  claimLines,
  claims,
  claimsTable,
  judge,
  marks,
  papers,
  quotedComparison,
  quotedTables,
} from "../../results/claims.ts";
import { algorithms } from "../../results/cell.ts";
import { scoreGapAtLoss } from "../../results/diagnosis.ts";
import { experimentNames, profiles } from "../../results/profiles/mod.ts";
import { syntheticEvaluation } from "./synthetic.ts";

const hint = (experiment: string) => `run ${experiment}`;
const task = "hopper-medium-replay-local";

/** DTQL and Diffusion-QL on local Hopper, `gap` apart. */
const pair = (gap: number, seeds = 3) =>
  Array.from({ length: seeds }, (_, seed) => [
    syntheticEvaluation({ experiment: "dtql", algorithm: "dtql", task, seed }, [{
      candidates: 1,
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
  const timed = pair(0).map((e) => ({ ...e, cell: { ...e.cell, experiment: "speed" } }));
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

Deno.test("claims.json names papers, marks, experiments and algorithms that exist", () => {
  assertEquals(new Set(claims.map(({ id }) => id)).size, claims.length);
  for (const { paper, mark, check, quoted, source } of claims) {
    assert(paper in papers && mark in marks && quoted && source);
    if ("experiment" in check) assert((experimentNames as readonly string[]).includes(check.experiment));
    for (const side of ["a", "b"] as const) {
      if (side in check) {
        assert((check as unknown as Record<string, { algorithm: string }>)[side].algorithm in algorithms);
      }
    }
    assert((check.atLeast === undefined) !== (check.atMost === undefined));
  }
  for (const { paper, mark, columns, rows, errors } of quotedTables) {
    assert(paper in papers && mark in marks);
    for (const values of [...Object.values(rows), ...Object.values(errors ?? {})]) {
      assertEquals(values.length, columns.length);
    }
  }
});

Deno.test("every experiment that a claim needs is in every profile, with the algorithms that it names", () => {
  for (const { experiments } of Object.values(profiles)) {
    for (const { check } of claims) {
      if (!("experiment" in check)) continue;
      const names = experiments[check.experiment as keyof typeof experiments].flatMap(({ runs }) => Object.keys(runs));
      for (const side of ["a", "b"] as const) {
        if (side in check) {
          const { algorithm } = (check as unknown as Record<string, { algorithm: string }>)[side];
          assert(names.includes(algorithm), `${check.experiment} lacks ${algorithm}`);
        }
      }
    }
  }
});

Deno.test("quoted tables have the averages that the papers print", () => {
  const average = (id: string, column: string) => {
    const { columns, rows } = quotedTables.find((table) => table.id === id)!;
    const values = Object.values(rows).map((row) => row[columns.indexOf(column)]!);
    return values.reduce((a, b) => a + b, 0) / values.length;
  };
  const printed: [string, string, number][] = [
    ["dtql-gym", "dtql", 88.7],
    ["diffusion-ql-gym", "diffusion_ql", 88.0],
    ["srpo-gym", "srpo", 87.1],
    ["srpo-gym", "IDQL", 82.1],
    ["decision-diffuser-gym", "Decision Diffuser", 81.8],
    ["obd-main", "dbc", 20.9],
    ["obd-main", "pbc", 30.4],
    ["obd-main", "av_pbc", 38.2],
    ["obd-ensembles", "av_pbc", 48.1],
    ["obd-architectures", "3 layers", 41.0],
  ];
  // The papers average before they round.
  for (const [id, column, value] of printed) assertAlmostEquals(average(id, column), value, 0.1, `${id} ${column}`);
});

Deno.test("quotedComparison() sets ours beside the paper's on D4RL's data, and never an unverified number", () => {
  const own = (name: string, algorithm: "dtql" | "srpo") =>
    [0, 1].map((seed) =>
      syntheticEvaluation({ experiment: algorithm, algorithm, task: name, seed }, [{
        candidates: 1,
        score: 70,
        actMs: 0.1,
      }])
    );
  const evaluations = [
    ...own("hopper-medium-v2", "dtql"),
    ...own("antmaze-umaze-v2", "dtql"),
    ...own("antmaze-umaze-v2", "srpo"),
    ...own(task, "dtql"),
  ];
  const { rows } = quotedComparison(evaluations);
  const cells = rows.map(([dataset, method, , , , quoted]) => [dataset, method, quoted]);
  assertEquals(cells, [
    ["hopper-medium-v2", "DTQL, one sample", "99.6"],
    ["antmaze-umaze-v2", "SRPO, one pass", "97"],
  ]);
});

Deno.test("no unverified number reaches the checklist", () => {
  const unverified = claims.filter(({ mark }) => mark === "unverified" || mark === "ours");
  const rows = claimsTable(answerClaims([], hint)).rows;
  for (const { claim } of unverified) assertEquals(rows.find(([, text]) => text === claim)![2], "");
});

Deno.test("scoreGapAtLoss() compares cloned policies at a training loss that both sets reached", () => {
  const [base] = pair(0, 1);
  const point = (states: "expert" | "diverse", trainingLoss: number) => ({
    states,
    updates: 1,
    trainingLoss,
    pivotalError: 0,
    surroundingError: 0,
  });
  const rule = (score: number) => ({ ...base.environment!.rules[0], scores: [score] });
  const evaluation = {
    ...base,
    diagnosis: [point("expert", 0.1), point("expert", 0.001), point("diverse", 1), point("diverse", 0.01)],
    environment: { ...base.environment!, rules: [rule(10), rule(90), rule(0), rule(60)] },
  };
  assertAlmostEquals(scoreGapAtLoss(evaluation, "largest"), 30 - 10, 1e-9); // At 0.1: half of the way from 0 to 60.
  assertAlmostEquals(scoreGapAtLoss(evaluation, "smallest"), 60 - 50, 1e-9); // At 0.01: half of the way from 10 to 90.
});
