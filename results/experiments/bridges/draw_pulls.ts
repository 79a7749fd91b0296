/**
 * `deno task pulls`: the pictures of examples/how_to/bridges.md.
 *
 * @module
 */

import { join } from "node:path";
import { type BridgeName, bridges } from "../../../algorithms/bridges/mod.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { useBackend } from "../../../algorithms/engine/backend.ts";
import { renderFigure } from "../../../data/show/figure.ts";
import { makeFolder, writeAtomically } from "../../../tools/files.ts";
import { resultsFolder } from "../../../tools/paths.ts";
import { bridgePulls, pullExample, pullFigure } from "./pulls.ts";

await useBackend("onnx");
const folder = join(resultsFolder, "gallery", "bridges");
await makeFolder(folder);
const { data, points } = pullExample();
for (const name of Object.keys(bridges) as BridgeName[]) {
  const figure = await renderFigure(
    pullFigure(name, data, points, await bridgePulls(name, data, points, createRng(0))),
  );
  await writeAtomically(join(folder, `${name.replace(" ", "_")}.png`), figure.png);
}
