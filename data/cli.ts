/**
 * `deno task dataset`: lists, shows, fetches, makes and verifies datasets.
 *
 * @module
 */

import { closest } from "fastest-levenshtein";
import { datasetCard } from "./card.ts";
import { readArguments } from "../tools/arguments.ts";
import { userPath } from "../tools/paths.ts";
import { runCommand } from "../tools/command.ts";
import { formatSeconds, startProgress } from "../tools/progress.ts";
import { cachePath } from "./cache.ts";
import { catalog, datasetFolder, datasetPath, datasetScore, findEntry, unknownDataset } from "./catalog.ts";
import { onStop } from "../tools/processes.ts";
import { loadDataset } from "./dataset.ts";
import { type Compared, fetchDataset, type FetchProgress, verifyFile } from "./fetch.ts";
import { renderFigure } from "./show/figure.ts";
import { hdf5Length } from "./hdf5.ts";
import { ensureLocalDataset } from "./local.ts";
import { findRecipe, localRecipes } from "./recipes.ts";
import { type Table, toText } from "./show/table.ts";

const help = `Lists, shows, fetches, makes and verifies datasets.

Usage: deno task dataset <command> [id] [options]

  list              all datasets: D4RL's, and the local ones that are made here without a download
  show <id>         what is known of a dataset; its card, if it is here (or a file, or the folder of a Minari dataset)
  fetch <id>        download a D4RL dataset; goes on where an earlier download stopped
  make <id>         make a local dataset, unless it is here as the present code makes it
  verify <id>       check a file's size, structure and SHA-256 (or a path's)

  --folder <path>   where datasets lie (default: D4RL_DATASET_DIR, or ~/.d4rl/datasets)
  --mirror <url>    fetch: take the file from here instead, by its name
  --figure <path>   show: write the card's figure to <path>.svg and <path>.png
  -h, --help        this text`;

const commands = ["list", "show", "fetch", "make", "verify"] as const;

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
const stands: Record<Compared, string> = {
  "published": "as published",
  "first seen here": "as it was first seen here; none is published",
  "nothing": "none is published to compare; it is kept, and later files are held against it",
};

async function state(id: string, folder: string): Promise<string> {
  const path = datasetPath(id, folder);
  const size = async (p: string) => await Deno.stat(p).then((info) => info.size, () => null);
  const [whole, part] = [await size(path), await size(`${path}.part`)];
  return whole !== null ? "here" : part !== null ? `${megabytes(part)} of it` : "";
}

async function list(folder: string) {
  const d4rl: Table = {
    title: "D4RL datasets",
    columns: ["id", "size", "SHA-256", "transitions", "mean return", "used by", "here?"],
    rows: await Promise.all([...catalog.values()].map(async ({ id, bytes, sha256, transitions, returns, papers }) => [
      id,
      bytes === null ? "unknown" : megabytes(bytes),
      sha256 === null ? "first seen" : "published",
      `${transitions ?? "unknown"}`,
      returns ? `${returns[0]} ± ${returns[1]}` : "",
      papers.join(", "),
      await state(id, folder),
    ])),
    notes: [
      `Folder: ${folder}. Sizes, transitions and returns as published; licence CC BY 4.0.`,
      `${catalog.size} of D4RL's 155 files: its Gym-MuJoCo, AntMaze, Kitchen, Adroit and Maze2d. ` +
      `SHA-256: ${
        [...catalog.values()].filter(({ sha256 }) => sha256).length
      } are published; of the others the first that is seen is kept.`,
    ],
  };
  const local: Table = {
    title: "Local datasets, made here by policies trained here; not D4RL's files",
    columns: ["id", "transitions", "here?"],
    rows: await Promise.all(
      Object.values(localRecipes).map(async ({ id, transitions }) => [id, `${transitions}`, await state(id, folder)]),
    ),
    notes: [],
  };
  console.log(`${toText(d4rl)}\n\n${toText(local)}`);
}

async function show(source: string, folder: string, figure?: string) {
  const entry = catalog.has(source) ? findEntry(source) : null;
  if (entry) {
    const [mean, deviation, least, largest] = entry.returns ?? [];
    const rows = [
      ["file", datasetPath(source, folder)],
      ["URL path", entry.path],
      ["size", entry.bytes === null ? "unknown" : `${entry.bytes} bytes`],
      ["SHA-256", entry.sha256 ?? "none is published: the first that is seen is kept"],
      ["transitions", `${entry.transitions ?? "unknown"}`],
      ["published returns", entry.returns ? `${mean} ± ${deviation} (${least} to ${largest})` : "unknown"],
      ["their mean's score", mean === undefined ? "unknown" : datasetScore(source, mean)?.toFixed(1) ?? "none"],
      ["licence", entry.licence],
      ["used by", entry.papers.join(", ") || "none of the papers here"],
      ["state", await state(source, folder) || `not here; \`deno task dataset fetch ${source}\` gets it`],
    ];
    console.log(toText({ title: `Catalog entry ${source}`, columns: ["what", "value"], rows, notes: [] }) + "\n");
    if (await state(source, folder) !== "here") return;
  }
  await requireMade("show", source, folder);
  const card = datasetCard(await loadDataset(source, { folder }));
  console.log(card.toText());
  if (figure) {
    const { svg, png } = await renderFigure(card.figure);
    await Deno.writeTextFile(`${figure}.svg`, svg);
    await Deno.writeFile(`${figure}.png`, png);
    console.log(`\nFigure: ${figure}.svg, ${figure}.png`);
  }
}

/** A local dataset is made when it is loaded; here it must be there. */
async function requireMade(verb: string, id: string, folder: string) {
  if (!findRecipe(id) || await state(id, folder) === "here") return;
  throw new Error(`Cannot ${verb} "${id}": it is not here; \`deno task dataset make ${id}\` makes it`);
}

async function fetchOne(id: string, folder: string, mirror: string | undefined) {
  if (findRecipe(id)) {
    throw new RangeError(`Cannot fetch "${id}": it is made here; run \`deno task dataset make ${id}\``);
  }
  const stop = new AbortController();
  onStop(() => stop.abort());
  const progress = startProgress(`Fetching ${id}`);
  const onProgress = ({ received, total, bytesPerSecond, note }: FetchProgress) => {
    const speed = bytesPerSecond > 0 ? ` at ${(bytesPerSecond / 1e6).toFixed(1)} MB/s` : "";
    progress.update(total ? received / total : 0, `${megabytes(received)}${speed} (${note})`);
  };
  try {
    const path = await fetchDataset(id, {
      folder,
      onProgress,
      signal: stop.signal,
      ...(mirror ? { hosts: [mirror] } : {}),
    });
    progress.stop();
    const { compared } = await verifyFile(findEntry(id), path);
    console.log(`${path}: complete, SHA-256 ${stands[compared]}`);
  } finally {
    progress.stop();
  }
}

async function make(id: string, folder: string) {
  if (!findRecipe(id)) {
    throw catalog.has(id)
      ? new RangeError(`Cannot make "${id}": it is D4RL's; run \`deno task dataset fetch ${id}\``)
      : unknownDataset(id);
  }
  const stop = new AbortController();
  onStop(() => stop.abort());
  const start = performance.now();
  const before = await modified(datasetPath(id, folder));
  const path = await ensureLocalDataset(id, { folder, signal: stop.signal });
  const isNew = await modified(path) !== before;
  console.log(
    isNew
      ? `${path}: made in ${formatSeconds((performance.now() - start) / 1000)}`
      : `${path}: here already, as the present code makes it`,
  );
}

const modified = (path: string) => Deno.stat(path).then((info) => info.mtime?.getTime(), () => undefined);

async function verify(source: string, folder: string) {
  if (catalog.has(source)) {
    const { sha256, compared } = await verifyFile(findEntry(source), datasetPath(source, folder));
    console.log(`${source}: SHA-256 ${sha256}, ${stands[compared]}`);
    return;
  }
  await requireMade("verify", source, folder);
  const path = findRecipe(source) ? datasetPath(source, folder) : source;
  await Deno.remove(cachePath(path)).catch(() => {}); // Read the file itself, not what was decoded from it.
  const data = await loadDataset(source, { folder });
  const marked = data.attributes.has("sha256")
    ? "values have the SHA-256 they were written with"
    : "it carries no hash";
  console.log(`${source}: ${await hdf5Length(path)} bytes, SHA-256 ${data.sha256}, ${data.rows} rows, ${marked}`);
}

/** An id as it is, anything else as a path of the user's. */
const idOrPath = (source: string) =>
  catalog.has(source) || findRecipe(source) || !/[\\/.~]/.test(source) ? source : userPath(source);

async function main(): Promise<void> {
  const { texts: { folder: given, mirror, figure }, switches, positional } = readArguments(Deno.args, {
    verb: "run dataset",
    texts: ["folder", "mirror", "figure"],
    positional: ["command", "id"],
  });
  const [command, source] = positional;
  if (switches.help || command === undefined) return console.log(help);
  if (!commands.some((name) => name === command)) {
    throw new RangeError(
      `Cannot run dataset: unknown command "${command}"; did you mean "${closest(command, [...commands])}"?`,
    );
  }
  const folder = given === undefined ? datasetFolder() : userPath(given);
  if (command === "list") return await list(folder);
  if (source === undefined) throw new RangeError(`Cannot ${command}: one dataset id must follow`);
  if (command === "show") return await show(idOrPath(source), folder, figure && userPath(figure));
  if (command === "fetch") return await fetchOne(source, folder, mirror);
  if (command === "make") return await make(source, folder);
  await verify(idOrPath(source), folder);
}

await runCommand(async () => {
  await main();
  return 0;
});
