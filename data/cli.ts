/**
 * `deno task dataset`: lists, shows, fetches, makes and verifies datasets.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import cliProgress from "cli-progress";
import { closest } from "fastest-levenshtein";
import { normalizedScore } from "../environments/mod.ts";
import { datasetCard } from "./card.ts";
import { catalog, datasetFolder, datasetPath, unknownDataset } from "./catalog.ts";
import { runCommand } from "../tools/command.ts";
import { onStop } from "../tools/processes.ts";
import { loadDataset } from "./dataset.ts";
import { fetchDataset, type FetchProgress, verifyFile } from "./fetch.ts";
import { renderFigure } from "./show/figure.ts";
import { hdf5Length } from "./hdf5.ts";
import { makeLocalDataset } from "./local.ts";
import { localRecipes } from "./recipes.ts";
import { type Table, toText } from "./show/table.ts";

const help = `Lists, shows, fetches, makes and verifies datasets.

Usage: deno task dataset <command> [id] [options]

  list              all datasets: D4RL's, and the local ones that are made here without a download
  show <id>         what is known of a dataset; its card, if it is here (or a path that ends in .hdf5)
  fetch <id>        download a D4RL dataset; goes on where an earlier download stopped
  make <id>         make a local dataset
  verify <id>       check a file's size, structure and SHA-256

  --folder <path>   where datasets lie (default: D4RL_DATASET_DIR, or ~/.d4rl/datasets)
  --mirror <url>    fetch: take the file from here instead, by its name
  --figure <path>   show: write the card's figure to <path>.svg and <path>.png
  --help            this text`;

const commands = ["list", "show", "fetch", "make", "verify"] as const;
const options = ["folder", "mirror", "figure"] as const;

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
const duration = (s: number) => s >= 90 ? `${Math.round(s / 60)} min` : `${Math.ceil(s)} s`;

async function state(id: string, folder: string): Promise<string> {
  const path = datasetPath(id, folder);
  const size = async (p: string) => await Deno.stat(p).then((info) => info.size, () => null);
  const [whole, part] = [await size(path), await size(`${path}.part`)];
  return whole !== null ? "here" : part !== null ? `${megabytes(part)} of it` : "";
}

async function list(folder: string) {
  const d4rl: Table = {
    title: "D4RL datasets",
    columns: ["id", "size", "transitions", "mean return", "used by", "here?"],
    rows: await Promise.all([...catalog.values()].map(async ({ id, bytes, transitions, returns, papers }) => [
      id,
      bytes === null ? "unknown" : megabytes(bytes),
      `${transitions ?? "unknown"}`,
      returns ? `${returns[0]} ± ${returns[1]}` : "",
      papers.join(", "),
      await state(id, folder),
    ])),
    notes: [`Folder: ${folder}. Sizes, transitions and returns as published; licence CC BY 4.0.`],
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
  const entry = catalog.get(source);
  if (entry) {
    const [mean, deviation, least, largest] = entry.returns ?? [];
    const rows = [
      ["file", datasetPath(source, folder)],
      ["URL path", entry.path],
      ["size", entry.bytes === null ? "unknown" : `${entry.bytes} bytes`],
      ["SHA-256", entry.sha256 ?? "unknown"],
      ["transitions", `${entry.transitions ?? "unknown"}`],
      ["published returns", entry.returns ? `${mean} ± ${deviation} (${least} to ${largest})` : "unknown"],
      ["their mean's score", mean === undefined ? "unknown" : normalizedScore(source, mean).toFixed(1)],
      ["licence", entry.licence],
      ["used by", entry.papers.join(", ") || "none of the papers here"],
      ["state", await state(source, folder) || `not here; \`deno task dataset fetch ${source}\` gets it`],
    ];
    console.log(toText({ title: `Catalog entry ${source}`, columns: ["what", "value"], rows, notes: [] }) + "\n");
    if (await state(source, folder) !== "here") return;
  }
  const card = datasetCard(await loadDataset(source, { folder }));
  console.log(card.toText());
  if (figure) {
    const { svg, png } = await renderFigure(card.figure);
    await Deno.writeTextFile(`${figure}.svg`, svg);
    await Deno.writeFile(`${figure}.png`, png);
    console.log(`\nFigure: ${figure}.svg, ${figure}.png`);
  }
}

/** A bar on a terminal; elsewhere a line every ten seconds. */
function progressBar(format: string) {
  if (Deno.stdout.isTerminal()) {
    const bar = new cliProgress.SingleBar({ format: `{bar} {percentage}% ${format}`, barsize: 24, hideCursor: true });
    bar.start(1, 0, { text: "" });
    return {
      update(done: number, total: number, text: string) {
        bar.setTotal(total);
        bar.update(done, { text });
      },
      stop: () => bar.stop(),
    };
  }
  let last = performance.now();
  return {
    update(done: number, total: number, text: string) {
      if (performance.now() - last < 10_000) return;
      last = performance.now();
      console.log(`${(100 * done / total).toFixed(0)} % ${text}`);
    },
    stop: () => {},
  };
}

async function fetchOne(id: string, folder: string, mirror: string | undefined) {
  if (localRecipes[id]) {
    throw new RangeError(`Cannot fetch "${id}": it is made here; run \`deno task dataset make ${id}\``);
  }
  const stop = new AbortController();
  onStop(() => stop.abort());
  const bar = progressBar("{text}");
  const onProgress = ({ received, total, bytesPerSecond, note }: FetchProgress) => {
    const left = total && bytesPerSecond > 0 ? `, ${duration((total - received) / bytesPerSecond)} left` : "";
    const speed = bytesPerSecond > 0 ? ` at ${(bytesPerSecond / 1e6).toFixed(1)} MB/s${left}` : "";
    bar.update(received, total ?? received, `${megabytes(received)}${speed} (${note})`);
  };
  try {
    const path = await fetchDataset(id, {
      folder,
      onProgress,
      signal: stop.signal,
      ...(mirror ? { hosts: [mirror] } : {}),
    });
    bar.stop();
    console.log(
      `${path}: complete${catalog.get(id)!.sha256 ? ", SHA-256 as published" : ", no published SHA-256 to compare"}`,
    );
  } finally {
    bar.stop();
  }
}

async function make(id: string, folder: string) {
  const recipe = localRecipes[id];
  if (!recipe) {
    throw catalog.has(id)
      ? new RangeError(`Cannot make "${id}": it is D4RL's; run \`deno task dataset fetch ${id}\``)
      : unknownDataset(id);
  }
  await Deno.mkdir(folder, { recursive: true });
  const start = performance.now();
  const bar = progressBar("{text}");
  const path = datasetPath(id, folder);
  let said = 0;
  await makeLocalDataset(recipe, path, (made) => {
    if (performance.now() - said < 100) return;
    said = performance.now();
    const left = (said - start) / 1000 * (recipe.transitions / made - 1);
    bar.update(made, recipe.transitions, `${made} of ${recipe.transitions} transitions, ${duration(left)} left`);
  });
  bar.stop();
  console.log(`${path}: made in ${duration((performance.now() - start) / 1000)}`);
}

async function verify(source: string, folder: string) {
  const entry = catalog.get(source);
  if (entry) {
    const { sha256, verified } = await verifyFile(entry, datasetPath(source, folder));
    console.log(`${source}: SHA-256 ${sha256}, ${verified ? "as published" : "none is published"}`);
    return;
  }
  const path = localRecipes[source] ? datasetPath(source, folder) : source;
  await Deno.remove(`${path}.arrays`).catch(() => {}); // Read the file itself, not what was decoded from it.
  const data = await loadDataset(source, { folder });
  const marked = data.attributes.has("sha256") ? "values have the SHA-256 it was written with" : "it carries no hash";
  console.log(`${source}: ${await hdf5Length(path)} bytes, ${data.rows} rows, ${marked}`);
}

async function main(): Promise<void> {
  const known = [...options, "help"].map((name) => `--${name}`);
  const flags = parseArgs(Deno.args, {
    string: options,
    boolean: ["help"],
    unknown: (arg: string) => {
      if (!arg.startsWith("-")) return true;
      throw new RangeError(`Cannot run dataset: unknown flag "${arg}"; did you mean "${closest(arg, known)}"?`);
    },
  });
  const [command, source, ...rest] = flags._.map(String);
  if (flags.help || command === undefined) return console.log(help);
  if (!commands.some((name) => name === command)) {
    throw new RangeError(
      `Cannot run dataset: unknown command "${command}"; did you mean "${closest(command, [...commands])}"?`,
    );
  }
  const folder = flags.folder ?? datasetFolder();
  if (command === "list") return await list(folder);
  if (source === undefined || rest.length > 0) {
    throw new RangeError(`Cannot ${command}: one dataset id must follow, current is "${[source, ...rest].join(" ")}"`);
  }
  if (command === "show") return await show(source, folder, flags.figure);
  if (command === "fetch") return await fetchOne(source, folder, flags.mirror);
  if (command === "make") return await make(source, folder);
  await verify(source, folder);
}

await runCommand(async () => {
  await main();
  return 0;
});
