/**
 * A registry like jsr.io on this machine: it takes what `deno publish` sends and serves it to `jsr:` imports.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Contents by path. */
type Files = Map<string, Uint8Array>;

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

/** Files of a tar archive in the old format with prefixes. */
function readTar(bytes: Uint8Array): Files {
  const files: Files = new Map();
  const text = (at: number, length: number) =>
    new TextDecoder().decode(bytes.subarray(at, at + length)).replace(/\0.*$/s, "");
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0;) {
    const size = parseInt(text(at + 124, 12), 8);
    const prefix = text(at + 345, 155);
    const name = (prefix ? `${prefix}/` : "") + text(at, 100);
    if (text(at + 156, 1) !== "5") files.set(`/${name.replace(/^\.?\//, "")}`, bytes.slice(at + 512, at + 512 + size));
    at += 512 + 512 * Math.ceil(size / 512);
  }
  return files;
}

/** A registry that runs. */
export interface Registry extends AsyncDisposable {
  /** For `JSR_URL`. */
  url: string;
  /** Paths that were asked for. */
  asked: string[];
  /** Adds a package. */
  add(name: string, version: string, exports: Record<string, string>, files: Files): void;
  /** SHA-256 of a package's list of files, as a lock file has it. */
  integrity(name: string, version: string): string;
}

/** Starts a registry without packages. */
export function startRegistry(): Registry {
  const packages = new Map<string, { exports: Record<string, string>; files: Files }>();
  const asked: string[] = [];

  const metaText = (name: string, version: string) => {
    const { exports, files } = packages.get(`${name}@${version}`)!;
    const manifest = Object.fromEntries(
      [...files].map(([path, bytes]) => [path, { size: bytes.length, checksum: `sha256-${sha256(bytes)}` }]),
    );
    return JSON.stringify({ manifest, exports });
  };

  async function publish(request: Request, name: string, version: string): Promise<Response> {
    const stream = request.body!.pipeThrough(new DecompressionStream("gzip"));
    const files = readTar(await new Response(stream).bytes());
    const { exports } = JSON.parse(new TextDecoder().decode(files.get("/deno.json")));
    packages.set(`${name}@${version}`, { exports: typeof exports === "string" ? { ".": exports } : exports, files });
    return Response.json({ id: "1", status: "success", error: null });
  }

  function get(path: string): Response {
    const [, scope, name, version, ...rest] = path.split("/");
    const full = `${scope}/${name}`;
    if (version === "meta.json") {
      const versions = [...packages.keys()].filter((key) => key.startsWith(`${full}@`)).map((key) =>
        key.split("@").at(-1)!
      );
      if (versions.length === 0) return new Response("", { status: 404 });
      return Response.json({
        scope,
        name,
        latest: versions.at(-1),
        versions: Object.fromEntries(versions.map((v) => [v, {}])),
      });
    }
    const listed = version?.match(/^(.*)_meta\.json$/)?.[1];
    if (listed && packages.has(`${full}@${listed}`)) {
      return new Response(metaText(full, listed), { headers: { "content-type": "application/json" } });
    }
    const bytes = packages.get(`${full}@${version}`)?.files.get(`/${rest.join("/")}`);
    if (!bytes) return new Response("", { status: 404 });
    const type = path.endsWith(".ts") ? "application/typescript" : "application/octet-stream";
    return new Response(bytes as Uint8Array<ArrayBuffer>, { headers: { "content-type": type } });
  }

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    const [, scope, name, version] =
      pathname.match(/^\/api\/scopes\/([^/]+)\/packages\/([^/]+)(?:\/versions\/([^/]+))?$/) ?? [];
    if (pathname.startsWith("/api/publish_status")) return Response.json({ id: "1", status: "success", error: null });
    if (request.method === "POST") return publish(request, `@${scope}/${name}`, version);
    if (scope && !version) return Response.json({ scope, name, githubRepository: null });
    return get(pathname);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    asked,
    add: (name, version, exports, files) => void packages.set(`${name}@${version}`, { exports, files }),
    integrity: (name, version) => sha256(metaText(name, version)),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
