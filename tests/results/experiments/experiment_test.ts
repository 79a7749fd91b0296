import { assertEquals, assertThrows } from "@std/assert";
import { iql } from "../../../algorithms/iql.ts";
import { resolveConfig } from "../../../algorithms/core/config.ts";
import { run } from "../../../results/experiments/experiment.ts";

Deno.test("run() does not compile with a misspelt setting, and resolveConfig() refuses it", () => {
  const right = run(iql, { expectile: 0.9 }, { perTask: { none: { expectile: 0.8 } }, setting: "expectile" });
  assertEquals(resolveConfig(iql, "none", right.overrides).expectile, 0.9);
  // @ts-expect-error Misspelt.
  const wrong = run(iql, { expectil: 0.9 });
  // @ts-expect-error Misspelt beside a right one.
  run(iql, { expectile: 0.9, hiden: 32 });
  // @ts-expect-error Of one task.
  run(iql, {}, { perTask: { none: { expectil: 0.8 } } });
  // @ts-expect-error What it is told apart by.
  run(iql, {}, { setting: "expectil" });
  // @ts-expect-error Of another type.
  run(iql, { expectile: "0.9" });
  assertThrows(() => resolveConfig(iql, "none", wrong.overrides), RangeError, "expectil");
});
