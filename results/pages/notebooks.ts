/**
 * Notebooks: run from a clean kernel, and kept small.
 *
 * @module
 */

import { join } from "node:path";
import { drawing } from "../../data/show/figure.ts";
import type { Notebook } from "./markdown.ts";

/** Jupyter's converter, where the machine has it. */
export const converter = "/usr/bin/jupyter-nbconvert";

/**
 * Runs a notebook from a clean kernel into a folder.
 *
 * @throws {Error} If a cell fails; the message is what Jupyter says of it.
 */
export async function runNotebook(path: string, out: string): Promise<void> {
  const kernel = join(out, "kernels", "deno");
  await Deno.mkdir(kernel, { recursive: true });
  const argv = [Deno.execPath(), "jupyter", "--kernel", "--conn", "{connection_file}"];
  const spec = { argv, display_name: "Deno", language: "typescript" };
  await Deno.writeTextFile(join(kernel, "kernel.json"), JSON.stringify(spec));
  const { code, stderr } = await new Deno.Command(converter, {
    args: [
      ...["--to", "notebook", "--execute", "--ExecutePreprocessor.timeout=300"],
      ...["--ExecutePreprocessor.kernel_name=deno", "--output-dir", out, path],
    ],
    env: { JUPYTER_PATH: out },
    stdout: "null",
    stderr: "piped",
  }).output();
  if (code !== 0) throw new Error(`Cannot run "${path}": ${new TextDecoder().decode(stderr).trim()}`);
}

const joined = (text: string | string[]) => Array.isArray(text) ? text.join("") : text;

/** The SVG of a picture's address; null for other pictures. */
function svgOf(url: string): string | null {
  const [, encoding, body] = url.match(/^data:image\/svg\+xml(;base64)?,(.*)$/s) ?? [];
  if (body === undefined) return null;
  return encoding ? new TextDecoder().decode(Uint8Array.fromBase64(body)) : decodeURIComponent(body);
}

/** A notebook whose outputs keep one picture each, as PNG, beside their text; nothing of times and runs. */
export async function trimNotebook<N extends Notebook>(notebook: N): Promise<N> {
  const draw = await drawing();
  const drawn = (text: string) =>
    text.replaceAll(/(<img[^>]* src=")(data:image\/svg[^"]*)"/g, (whole, before: string, url: string) => {
      const svg = svgOf(url);
      return svg === null ? whole : `${before}data:image/png;base64,${draw(svg, 1, "white").toBase64()}"`;
    });
  const trimmed = structuredClone(notebook);
  for (const cell of trimmed.cells) {
    delete (cell as { metadata?: { execution?: unknown } }).metadata?.execution; // When it ran.
    for (const output of cell.outputs ?? []) {
      if (!output.data) continue;
      const kept = ["image/png", "text/html", "text/markdown"].find((type) => output.data![type] !== undefined);
      output.data = Object.fromEntries(
        Object.entries(output.data).filter(([type]) => type === kept || type === "text/plain")
          .map(([type, value]) => [type, type === "image/png" ? value : drawn(joined(value))]),
      );
    }
  }
  return trimmed;
}
