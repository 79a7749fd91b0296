import { assertEquals, assertThrows } from "@std/assert";
import { reason } from "../bench/peers.ts";
import { type BenchRun, compareRuns, latestRun, parseBenches } from "../bench/record.ts";

const bench = (name: string, avg: number, p75: number) => ({
  origin: "file:///a.ts",
  group: "g",
  name,
  baseline: false,
  results: [{ ok: { n: 7, min: 1, max: 2, avg, p75 } }],
});
const run = (processor: string, ...measurements: [name: string, mean: number, p75: number][]): BenchRun => ({
  madeWith: {
    machine: { processor, cores: 2, memoryGiB: 8, system: "none" },
    versions: { deno: "2.9.6", onestep: "0.1.0", commit: null },
  },
  measurements: measurements.map(([name, mean, p75]) => ({ group: "g", name, mean, p75, n: 7 })),
});

Deno.test("parseBenches() reads deno bench's JSON behind whatever was printed before it", () => {
  const output = `a library said something {}\n${
    JSON.stringify({ version: 1, benches: [bench("x", 2e6, 3e6)] }, null, 2)
  }`;
  assertEquals(parseBenches(output), [{ group: "g", name: "x", mean: 2, p75: 3, n: 7 }]);
});

Deno.test("parseBenches() refuses output without JSON and a failed benchmark", () => {
  assertThrows(() => parseBenches("nothing"), Error, "wanted JSON");
  const failed = { ...bench("x", 1, 1), results: [{ failed: {} }] };
  assertThrows(() => parseBenches(JSON.stringify({ benches: [failed] }, null, 2)), Error, '"x" failed');
});

Deno.test("compareRuns() flags what is slower by a quarter in its mean and its 75th percentile both", () => {
  const baseline = run("A", ["both", 1, 1], ["mean alone", 1, 1], ["a little", 1, 1], ["gone", 1, 1]);
  const later = run("A", ["both", 1.5, 1.3], ["mean alone", 2, 1.1], ["a little", 1.2, 1.2], ["new", 9, 9]);
  assertEquals(compareRuns(baseline, later), [{ group: "g", name: "both", mean: 1.5, p75: 1.3 }]);
});

Deno.test("compareRuns() refuses runs of different machines", () => {
  assertThrows(() => compareRuns(run("A"), run("B")), Error, 'current are "A, 2 cores" and "B, 2 cores"');
});

Deno.test("latestRun() is the last by time, not a figure, and none in a folder that is not there", async () => {
  const folder = await Deno.makeTempDir();
  for (const name of ["2026-01-02T03-04-05.678Z.json", "2025-12-31T23-59-59.999Z.json", "scaling.json"]) {
    await Deno.writeTextFile(`${folder}/${name}`, "{}");
  }
  assertEquals(latestRun(folder), "2026-01-02T03-04-05.678Z.json");
  await Deno.remove(folder, { recursive: true });
  assertEquals(latestRun(folder), undefined);
});

Deno.test("a peer that is missing says in a line what it lacks", () => {
  assertEquals(
    reason("Traceback\n  import torch\nModuleNotFoundError: No module named 'torch'\n"),
    "python3 has no torch; pip install it into the environment whose python3 is first on the PATH",
  );
  const compiling =
    "torch._inductor.exc.InductorError: InvalidCxxCompiler: No working C++ compiler found\n\nSet TORCH_LOGS\n";
  assertEquals(reason(compiling), "torch.compile finds no C++ compiler; install g++");
  assertEquals(reason("Traceback\nValueError: x\n\nsome advice\n"), "ValueError: x");
});
