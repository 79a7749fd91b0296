/**
 * The API's pages: `deno doc` of every export path, without TF.js's own types, and small.
 *
 * @module
 */

import { dirname, join, relative } from "node:path/posix";
import { readJson } from "../../tools/files.ts";
import { workspaceFolder } from "../../tools/paths.ts";
import { standInMap } from "../../tools/stand_ins.ts";

type Names = Record<string, string>;
interface Config {
  name: string;
  exports: Names;
  imports: Names;
  scopes: Record<string, Names>;
}

const tensors = "@tensorflow/tfjs-core";
const urlOf = (path: string) => new URL(`../../${path}`, import.meta.url).href;
const moduleOf = (type: string, text: string) => `data:application/${type},${encodeURIComponent(text)}`;

/** Where TF.js is documented. */
const tensorPages = ({ imports }: Config) => `https://js.tensorflow.org/api/${imports[tensors].split("@").at(-1)}/`;

/** What modules import while they are documented. */
function importMap(config: Config) {
  const { imports, scopes } = standInMap(config);
  const empty = moduleOf("typescript", "export {};");
  const floor = ["core", "engine"].map((name) => [urlOf(`algorithms/${name}/mod.ts`), empty]);
  return {
    // With all of TF.js in it, a module takes a hundred megabytes.
    imports: {
      ...imports,
      [tensors]: moduleOf(
        "typescript",
        `/** A tensor of [TF.js](${tensorPages(config)}). */\nexport declare class Tensor {}`,
      ),
    },
    // What `algorithms` exports of these two has pages under their own paths.
    scopes: { ...scopes, [urlOf("algorithms/mod.ts")]: Object.fromEntries(floor) },
  };
}

/** Every file below a folder; pages with their text. */
export function filesBelow(folder: string, at = ""): Map<string, string | null> {
  return new Map(
    [...Deno.readDirSync(join(folder, at))].flatMap(({ name, isDirectory }) => {
      const path = join(at, name);
      if (isDirectory) return [...filesBelow(folder, path)];
      return [[path, name.endsWith(".html") ? Deno.readTextFileSync(join(folder, path)) : null] as const];
    }),
  );
}

/** Gives each drawing, which `deno doc` writes out wherever it stands, a class; classes by drawing are added. */
function shareIcons(html: string, classes: Map<string, string>): string {
  return html.replaceAll(/<svg([^>]*)>(.*?)<\/svg>/gs, (_, attributes: string, inner: string) => {
    const valueOf = (name: string) => attributes.match(new RegExp(`\\s${name}="([^"]*)"`))?.[1] ?? "";
    const alone = attributes.replaceAll(/\s(class|xmlns)="[^"]*"/g, "");
    const drawing = `<svg xmlns="http://www.w3.org/2000/svg"${alone}>${inner}</svg>`
      .replaceAll("currentColor", "#000").replaceAll(/clip0_\w+/g, "clip").replaceAll(/\s+/g, " ");
    if (!classes.has(drawing)) classes.set(drawing, `icon${classes.size}`);
    const names = `${classes.get(drawing)} ${valueOf("class")}`.trim();
    return `<svg class="${names}" width="${valueOf("width")}" height="${valueOf("height")}"></svg>`;
  });
}

/** What drawings' classes look like, in the colour of the text. */
const iconStyle = (classes: ReadonlyMap<string, string>) =>
  [...classes].map(([drawing, name]) =>
    `.${name}{background:currentColor;mask:url("data:image/svg+xml,${
      encodeURIComponent(drawing)
    }") center/contain no-repeat}`
  ).join("\n");

/** On narrow screens `deno doc`'s pages are wider than these. */
const narrow = `
.ddoc>div:not(#categoryPanel){min-width:0} #topnav .gap-2{min-height:2.6rem} #topnav,#topnav>div{height:auto} #topnav>div{flex-wrap:wrap;gap:.3rem 1rem}
.ddoc .docEntry code,.ddoc .symbolTitle,.ddoc .markdown{overflow-wrap:anywhere}
@media (width<640px){.ddoc{padding:.25rem 0} #content{display:block}}
`;

/**
 * Documents the API into the site's folder `api`.
 *
 * @returns The source files that its pages link to, relative to the workspace.
 */
export async function writeApi(folder: string): Promise<string[]> {
  const config = (await readJson<Config>(join(workspaceFolder, "deno.json")))!;
  const map = `--import-map=${moduleOf("json", JSON.stringify(importMap(config)))}`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", map, "--html", "--name=API", `--output=${folder}`, ...Object.values(config.exports)],
    cwd: workspaceFolder,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) {
    throw new Error(`Cannot document the API: ${new TextDecoder().decode(stderr).trim().split("\n").at(-1)}`);
  }
  const parts = Object.keys(config.exports).map((path) => path.slice(2)); // "" is the package itself.
  const isPart = (name: string) => parts.includes(name);
  const pages = [...filesBelow(folder)].filter(([path]) => path.endsWith(".html")).sort().reverse();
  const places = new Map(pages.map(([path]) => [path.match(/~\/(\w+)\.html$/)?.[1], path]));
  const [icons, sources] = [new Map<string, string>(), new Set<string>()];
  for (const [path, html] of pages) {
    const to = (place: string) => relative(dirname(join("api", path)), place);
    let text = shareIcons(html!.replaceAll("&#x2F;", "/"), icons)
      .replace('<ul class="breadcrumbs">', `$&<li><a href="${to("index.html")}" class="contextLink">Onestep</a> ›</li>`)
      .replace("<head>", '$&<link rel="icon" href="data:,">')
      .replaceAll(new RegExp(`"${urlOf("")}([^"]*)"`, "g"), (_, file: string) => {
        sources.add(file);
        return `"${to(`${file}.html`)}"`;
      })
      .replaceAll(/"data:application[^"]*"/g, `"${tensorPages(config)}"`);
    // Usages name the path in the package.
    text = text.replaceAll(/ from &quot;([\w.]+)(?=&quot;;\s*[<"])/g, (whole, part: string) => {
      const name = part === "." ? config.name : isPart(part) ? `${config.name}/${part}` : null;
      return name ? ` from &quot;${name}` : whole;
    });
    // Types of another path, which `deno doc` does not know or takes for the platform's; not within links.
    const types =
      /<(?:span|a href="https:\/\/deno.land\/[^"]*") class="(?:link )?td-ref">(\w+)<\/(?:span|a)>|<a\s.*?<\/a>/gs;
    text = text.replaceAll(types, (whole, name?: string) => {
      const place = places.get(name);
      return name && place ? `<a href="${to(join("api", place))}" class="link td-ref">${name}</a>` : whole;
    });
    // Type parameters that it gave no anchor.
    text = text.replaceAll(/ href="#(type_param_\w+)"/g, (whole, id) => text.includes(`id="${id}"`) ? whole : "");
    if (path === "index.html") {
      text = text.replaceAll(
        /<code>(\w+)<\/code>/g,
        (whole, name: string) => isPart(name) ? `<a href="${name}/index.html">${whole}</a>` : whole,
      );
    }
    await Deno.remove(join(folder, path));
    await Deno.writeTextFile(join(folder, decodeURIComponent(path)), text); // Servers decode what is asked for.
  }
  await Deno.writeTextFile(join(folder, "page.css"), narrow + iconStyle(icons), { append: true });
  return [...sources].sort();
}
