import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { marks, papers } from "../../../results/experiments/papers.ts";
import { quotedComparison, quotedTables } from "../../../results/report/quoted.ts";
import { syntheticEvaluation } from "../synthetic.ts";

Deno.test("quotedTables name papers and marks that exist, with a number or null per column", () => {
  for (const { paper, mark, columns, rows, errors, deviation } of quotedTables) {
    assert(paper in papers && mark in marks);
    assertEquals(errors === undefined, deviation === undefined);
    for (const values of [...Object.values(rows), ...Object.values(errors ?? {})]) {
      assertEquals(values.length, columns.length);
    }
  }
});

Deno.test("quotedTables have the averages that the papers print", () => {
  const average = (id: string, column: string) => {
    const { columns, rows } = quotedTables.find((table) => table.id === id)!;
    const values = Object.values(rows).flatMap((row) => row[columns.indexOf(column)] ?? []);
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
    ["obd-main", "Cal-QL teacher", 76.3], // Printed is 70.1, a slip.
    ["srpo-gym", "Diffuser", 72.65], // Without the contradicted number.
    ["obd-ensembles", "av_pbc", 48.1],
    ["obd-architectures", "3 layers", 41.0],
    ["corl-gym", "bc", 50.40],
    ["corl-gym", "td3_bc", 76.45],
    ["corl-gym", "iql", 81.63],
    ["corl-gym", "rebrac", 89.74],
    ["corl-maze2d", "rebrac", 96.77],
    ["corl-antmaze", "td3_bc", 19.33],
    ["corl-antmaze", "iql", 57.17],
    ["corl-adroit", "bc", 48.18],
    ["corl-adroit", "rebrac", 59.39],
  ];
  // The papers average before they round.
  for (const [id, column, value] of printed) assertAlmostEquals(average(id, column), value, 0.1, `${id} ${column}`);
});

Deno.test("quotedComparison() sets ours beside the paper's on D4RL's data, and never an unverified number", () => {
  const own = (name: string, algorithm: "dtql" | "srpo") =>
    [0, 1].map((seed) =>
      syntheticEvaluation({ experiment: algorithm, algorithm, task: name, seed }, [{
        score: 70,
        actMs: 0.1,
      }])
    );
  const evaluations = [
    ...own("hopper-medium-v2", "dtql"),
    ...own("antmaze-umaze-v2", "dtql"),
    ...own("antmaze-umaze-v2", "srpo"),
    ...own("hopper-medium-replay-local", "dtql"),
  ];
  const cells = (["dtql", "srpo"] as const).flatMap((paper) =>
    quotedComparison(evaluations, paper).rows.map(([dataset, method, ours, , , quoted, difference]) => {
      assertAlmostEquals(Number(ours) - Number(quoted), Number(difference), 0.11);
      return [dataset, method, quoted];
    })
  );
  assertEquals(cells, [
    ["hopper-medium-v2", "DTQL, one sample", "99.6"],
    ["antmaze-umaze-v2", "SRPO, one pass", "97"],
  ]);
});

Deno.test("quotedComparison() sets CORL's last scores beside our BC, TD3+BC, IQL and ReBRAC, with what their plus-minus is", () => {
  const own = (["bc", "td3_bc", "iql", "rebrac"] as const).map((algorithm) =>
    syntheticEvaluation({ experiment: "dtql", algorithm, task: "hopper-medium-replay-v2", seed: 0 }, [
      { score: 70, actMs: 0.1 },
    ])
  );
  const quotes = quotedComparison(own, "corl").rows;
  assertEquals(quotes.map(([, , , , , quoted]) => quoted), [
    "29.81 ± 2.07",
    "64.42 ± 21.52",
    "97.43 ± 6.39",
    "94.98 ± 6.53",
  ]);
  for (const [, , , , , , , source] of quotes) {
    assertEquals(
      source,
      "its README, last scores, Gym-MuJoCo, at commit 2ed69e3; ±: standard deviation over the seeds",
    );
  }
});
