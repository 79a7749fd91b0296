/**
 * A site served on this machine, to its own pages alone.
 *
 * A page from elsewhere that is open in the same browser must not read it: policies may be unpublished. It can ask by a name of its own
 * that leads to this machine (DNS rebinding), so only requests to this machine's name are answered; it can embed, so files are marked
 * as this origin's; and what the pages themselves load comes from here, whatever a policy's file or card says.
 *
 * @module
 */

import { extname } from "node:path";
import { contentPolicy, type Site } from "./site.ts";

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
};

const headers = {
  "cache-control": "no-store",
  "content-security-policy": `${contentPolicy("'unsafe-eval'")}; frame-ancestors 'none'`,
  "cross-origin-embedder-policy": "require-corp", // This and the next give the page a clock of microseconds.
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

const chunkBytes = 2 ** 18;

/** Bytes piece by piece, as views: a file of 20 MB is not copied for every request. */
function streamOf(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at < bytes.length) controller.enqueue(bytes.subarray(at, at += chunkBytes));
      else controller.close();
    },
  });
}

/** First and last byte of the one range that is asked for; null for the whole, also where the header is of no known form. */
function rangeOf(header: string | null, size: number): [first: number, last: number] | null {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === "") return last === "" ? null : [Math.max(0, size - Number(last)), size - 1];
  if (last !== "" && Number(last) < Number(first)) return null;
  return [Number(first), last === "" ? size - 1 : Math.min(Number(last), size - 1)];
}

/** A file, or the range of it that is asked for. */
function fileResponse(path: string, body: Uint8Array<ArrayBuffer>, request: Request): Response {
  const size = body.length;
  const range = rangeOf(request.headers.get("range"), size);
  if (range && (range[0] >= size || range[1] < range[0])) {
    return new Response(null, { status: 416, headers: { ...headers, "content-range": `bytes */${size}` } });
  }
  const part = range ? body.subarray(range[0], range[1] + 1) : body;
  return new Response(request.method === "HEAD" ? null : streamOf(part), {
    status: range ? 206 : 200,
    headers: {
      ...headers,
      "accept-ranges": "bytes",
      "content-length": `${part.length}`,
      "content-type": types[extname(path)] ?? "application/octet-stream",
      ...(range ? { "content-range": `bytes ${range[0]}-${range[1]}/${size}` } : {}),
    },
  });
}

/**
 * Serves a site on this machine alone.
 *
 * Answers 421 to requests by another name than this machine's, 400 to paths that are no UTF-8, 405 to all methods but GET and HEAD.
 *
 * @param take What to do with what the page hands over, by POST to `taken/<name>`. @default it is refused
 */
export function serveSite(
  site: Site,
  port: number,
  take?: (name: string, request: Request) => Promise<void>,
): Deno.HttpServer<Deno.NetAddr> {
  const refuse = (status: number, why: string, more: Record<string, string> = {}) =>
    new Response(`${why}\n`, { status, headers: { ...headers, ...more, "content-type": types[".txt"] } });
  const server: Deno.HttpServer<Deno.NetAddr> = Deno.serve(
    { hostname: "127.0.0.1", port, onListen: () => {} },
    async (request) => {
      const at = server.addr.port;
      const own = ["127.0.0.1", "localhost"].flatMap((name) => [`${name}:${at}`, ...(at === 80 ? [name] : [])]);
      if (!own.includes(request.headers.get("host")?.toLowerCase() ?? "")) {
        return refuse(421, `this server answers to ${own.join(" and ")} alone`);
      }
      let path: string;
      try {
        path = decodeURIComponent(new URL(request.url).pathname.slice(1)) || "index.html";
      } catch {
        return refuse(400, "the path must be UTF-8, escaped");
      }
      if (take && request.method === "POST" && path.startsWith("taken/")) {
        await take(path.slice("taken/".length), request);
        return new Response(null, { status: 204, headers });
      }
      if (!["GET", "HEAD"].includes(request.method)) {
        return refuse(405, "files are read here, by GET and HEAD", { allow: "GET, HEAD" });
      }
      const body = site.get(path);
      return body ? fileResponse(path, body, request) : refuse(404, "not found");
    },
  );
  return server;
}
