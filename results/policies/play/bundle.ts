/**
 * The bundler: esbuild, in the version of the lock file.
 *
 * @module
 */

import type { Plugin } from "esbuild";
import { fromFileUrl } from "../../../tools/paths.ts";

/** Packages lie where Deno put them; what Node has by itself stays out. */
const packages: Plugin = {
  name: "packages",
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
      if (kind === "entry-point") return;
      const url = new URL(import.meta.resolve(path));
      return url.protocol === "file:" ? { path: fromFileUrl(url) } : { path, external: true };
    });
  },
};

/** Modules of the browser, each with all that it imports, by path. */
export async function bundle(paths: readonly string[]): Promise<Uint8Array<ArrayBuffer>[]> {
  const { build, stop } = await import("esbuild");
  try {
    const { outputFiles } = await build({
      entryPoints: [...paths],
      outdir: "/", // Nothing is written.
      write: false,
      bundle: true,
      format: "esm",
      platform: "browser",
      minify: true,
      logLevel: "silent",
      plugins: [packages],
    });
    return outputFiles.map(({ contents }) => contents as Uint8Array<ArrayBuffer>);
  } finally {
    await stop();
  }
}
