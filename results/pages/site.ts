/**
 * The site: playground, report, gallery, API, notebooks and pages, as one folder of files for any web server.
 *
 * @module
 */

import { basename, dirname, join, normalize, relative } from "node:path/posix";
import { escapeHtml } from "../../data/show/display.ts";
import { inks } from "../../data/show/palette.ts";
import { makeFolder, writeAtomically } from "../../tools/files.ts";
import { exists, resultsFolder, workspaceFolder } from "../../tools/paths.ts";
import { buildSite, policyFolders } from "../policies/play/site.ts";
import { filesBelow, writeApi } from "./api.ts";
import { markdownHtml, type Notebook, notebookHtml } from "./markdown.ts";

/** Contents by path, relative to the site's root. */
export type Files = Map<string, Uint8Array | string>;

/** What the site starts from; what these pages link to follows them. */
export const pages = [
  "README.md",
  "results/RESULTS.md",
  "notebooks/README.md",
  "examples/how_to/README.md",
  "data/README.md",
  "environments/README.md",
  "bench/README.md",
  "algorithms/SETTINGS.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
];

const menu: readonly (readonly [title: string, path: string])[] = [
  ["Onestep", "index.html"],
  ["Playground", "playground/index.html"],
  ["Results", "results/RESULTS.html"],
  ["Report", "report.html"],
  ["How to", "examples/how_to/README.html"],
  ["Notebooks", "notebooks/README.html"],
  ["API", "api/index.html"],
];

const ink = (name: keyof typeof inks) => `light-dark(${inks[name].join(", ")})`;
const style = `:root { color-scheme: light dark; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 0 1rem 3rem; background: ${ink("paper")}; color: ${ink("ink")};
  font: 16px/1.6 system-ui, sans-serif; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; padding: .8rem 0; border-bottom: 1px solid ${ink("line")}; }
a { color: light-dark(#0b5fc0, #70b8ff); } nav [aria-current] { font-weight: 600; color: inherit; }
main { max-width: 56rem; } h1, h2, h3 { line-height: 1.25; overflow-wrap: anywhere; } h2 { margin-top: 2.2rem; }
img { max-width: 100%; height: auto; } code { font-size: .88em; overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .7rem .9rem; background: light-dark(#f3f5f7, #1f2327); border-radius: 6px; line-height: 1.45; }
pre code { overflow-wrap: normal; } .cell { border-left: 4px solid ${ink("frame")}; }
.scroll { overflow-x: auto; margin: 1rem 0; } table { border-collapse: collapse; font-size: .92rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid ${ink("line")}; text-align: left; vertical-align: top; }
:focus-visible { outline: 3px solid light-dark(#0b5fc0, #70b8ff); outline-offset: 2px; }
`;

/** Around a page's body: head, menu, main. */
function pageHtml(path: string, title: string, body: string, files: ReadonlySet<string>): string {
  const links = menu.filter(([, to]) => files.has(to)).map(([name, to]) =>
    `<a href="${escapeHtml(relative(dirname(path), to))}"${to === path ? ' aria-current="page"' : ""}>${name}</a>`
  ).join("\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><link rel="icon" href="data:,"><style>${style}</style></head>
<body><nav aria-label="Site">${links}</nav><main>
${body}
</main></body></html>
`;
}

const read = (path: string) => Deno.readTextFile(join(workspaceFolder, path));

/** Where a file of the workspace stands on the site. */
function placeOf(path: string): string {
  if (path === "README.md") return "index.html";
  if (/\.(md|ipynb)$/.test(path)) return path.replace(/\.\w+$/, ".html");
  if (Deno.statSync(join(workspaceFolder, path)).isDirectory) return join(path, "index.html");
  return /\.(ts|cff|bib|json|toml)$/.test(path) ? `${path}.html` : path;
}

/** The body of a file's page; null for a file that is served as it is. */
async function bodyOf(path: string): Promise<string | null> {
  if (path.endsWith(".md")) return markdownHtml(await read(path));
  if (path.endsWith(".ipynb")) return notebookHtml(JSON.parse(await read(path)) as Notebook, basename(path));
  const here = join(workspaceFolder, path);
  if (Deno.statSync(here).isDirectory) {
    const names = [...Deno.readDirSync(here)].map(({ name, isDirectory }) => isDirectory ? `${name}/` : name).sort();
    return `<h1>${escapeHtml(path)}</h1><ul>${names.map((name) => `<li>${escapeHtml(name)}</li>`).join("")}</ul>`;
  }
  if (!placeOf(path).endsWith(".html")) return null;
  return `<h1>${escapeHtml(path)}</h1><pre tabindex="0"><code>${escapeHtml(await read(path))}</code></pre>`;
}

/** Targets of links and pictures in HTML. */
const linksIn = (html: string) => [...html.matchAll(/(?:href|src)="([^"#][^"]*|#[^"]+)"/g)].map(([, to]) => to);
const isOutside = (to: string) => /^(https?|mailto|data):/.test(to);

/** A picture's size as attributes, so that nothing moves when it comes; none for what is neither PNG nor GIF. */
function sizeOf(picture: Uint8Array): string {
  const view = new DataView(picture.buffer, picture.byteOffset);
  const sizes: Record<string, () => [number, number]> = {
    "GIF8": () => [view.getUint16(6, true), view.getUint16(8, true)],
    "\x89PNG": () => [view.getUint32(16), view.getUint32(20)],
  };
  const size = sizes[String.fromCharCode(...picture.subarray(0, 4))]?.();
  return size ? ` width="${size[0]}" height="${size[1]}"` : "";
}

/**
 * Pages, and all files of the workspace that they link to, to any depth.
 *
 * @throws {Error} If a link leads to a file that is not there; the message names the page.
 */
export async function buildPages(starts: readonly string[], others: ReadonlySet<string>): Promise<Files> {
  const bodies = new Map<string, string | null>();
  const waiting = [...starts];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (bodies.has(path)) continue;
    const body = await bodyOf(path);
    bodies.set(path, body);
    if (body === null || !/\.(md|ipynb)$/.test(path)) continue;
    for (const to of linksIn(body)) {
      if (isOutside(to) || to.startsWith("#")) continue;
      const target = normalize(join(dirname(path), decodeURIComponent(to.split("#")[0]))).replace(/\/$/, "");
      if (target.startsWith("..") || !exists(join(workspaceFolder, target))) {
        throw new Error(`Cannot build the site: ${path} links to ${to}, and there is no such file`);
      }
      waiting.push(target);
    }
  }
  const files: Files = new Map();
  const names = new Set([...others, ...[...bodies.keys()].map(placeOf)]);
  for (const [path, body] of bodies) {
    if (body === null) files.set(placeOf(path), await Deno.readFile(join(workspaceFolder, path)));
  }
  for (const [path, body] of bodies) {
    const place = placeOf(path);
    if (body === null) continue;
    const linked = body.replaceAll(/(href|src)="([^"#][^"]*)"/g, (whole, name: string, to: string) => {
      if (isOutside(to) || !/\.(md|ipynb)$/.test(path)) return whole;
      const [file, anchor] = decodeURIComponent(to).split("#");
      const target = placeOf(normalize(join(dirname(path), file)).replace(/\/$/, ""));
      const picture = name === "src" ? files.get(target) : undefined;
      return `${name}="${escapeHtml(relative(dirname(place), target))}${anchor ? `#${anchor}` : ""}"${
        picture instanceof Uint8Array ? sizeOf(picture) : ""
      }`;
    });
    const title = linked.match(/<h1[^>]*>(.*?)<\/h1>/s)?.[1].replaceAll(/<[^>]+>/g, "") ?? path;
    files.set(place, pageHtml(place, title === "Onestep" ? title : `${title} · Onestep`, linked, names));
  }
  return files;
}

/**
 * Links that lead nowhere, as `page -> target`: to files that are not there, or to anchors that their page has not.
 *
 * @param files Paths, and the text of pages.
 */
export function deadLinks(files: ReadonlyMap<string, string | null>): string[] {
  return [...files].filter(([path]) => path.endsWith(".html")).flatMap(([path, html]) =>
    linksIn(html!).flatMap((to) => {
      if (isOutside(to) || to.startsWith("javascript:")) return [];
      const [file, anchor] = decodeURIComponent(to).split("#");
      const at = file === "" ? path : normalize(join(dirname(path), file.split("?")[0]));
      const target = files.has(at) ? at : join(at, "index.html");
      if (!files.has(target)) return [`${path} -> ${to}`];
      const there = files.get(target);
      const found = !anchor || there === null || there === undefined || there.includes(`id="${anchor}"`);
      return found ? [] : [`${path} -> ${to}`];
    })
  );
}

/**
 * Writes the site; what was in the folder before goes.
 *
 * @throws {Error} If a page of ours links to nothing.
 */
export async function writeSite(folder: string): Promise<{ files: number; bytes: number; report: boolean }> {
  await Deno.remove(folder, { recursive: true }).catch(() => {}); // There may be none.
  await makeFolder(folder);
  const reportPath = join(resultsFolder, "report.html");
  const report = exists(reportPath);
  const playground = await buildSite(policyFolders().filter(exists));
  const sources = await writeApi(join(folder, "api"));
  const others = ["playground/index.html", "api/index.html", ...(report ? ["report.html"] : [])];
  const files = await buildPages([...pages, ...sources], new Set(others));
  for (const [path, bytes] of playground) files.set(join("playground", path), bytes);
  if (report) files.set("report.html", await Deno.readFile(reportPath));
  for (const [path, contents] of files) {
    await makeFolder(dirname(join(folder, path)));
    await writeAtomically(join(folder, path), contents);
  }
  const written = filesBelow(folder);
  const dead = deadLinks(written).filter((link) => !link.startsWith("report.html")); // Files of runs.
  if (dead.length > 0) throw new Error(`Cannot build the site: dead links: ${dead.join(", ")}`);
  const bytes = [...written.keys()].reduce((sum, path) => sum + Deno.statSync(join(folder, path)).size, 0);
  return { files: written.size, bytes, report };
}
