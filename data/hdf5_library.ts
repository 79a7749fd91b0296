/**
 * HDF5's library in WebAssembly, with what it may do to files and how it tells of errors.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import h5wasm from "h5wasm/node";

/** The library. */
export type Library = Awaited<typeof h5wasm.ready>;

/** What it says of a dataset. */
export type Metadata = ReturnType<Library["get_dataset_metadata"]>;

/** Files that the library opens while {@linkcode readHdf5} runs: none but those beside its own, as a file may name any. */
export const opening = { folder: "", file: "", others: [] as string[] };

let library: Promise<Library> | undefined;

/** The library, set to throw its errors instead of printing them. */
export function loadLibrary(): Promise<Library> {
  return library ??= h5wasm.ready.then((module) => {
    module.activate_throwing_error_handler();
    const fs = module.FS as unknown as FileSystem;
    // A file that had an error stays open in the library, which knows files by inode: without this it would go on with what it once
    // read, whatever has taken the file's place.
    const { fstat, open, unlink } = fs;
    let serial = 0;
    fs.fstat = (descriptor) => Object.assign(fstat(descriptor), { ino: ++serial });
    fs.unlink = (path) => scratch.test(path) ? undefined : unlink(path);
    fs.open = (path, flags, mode) => {
      if (scratch.test(path)) return openScratch(fs, path, flags);
      const full = resolve(path);
      if (!opening.file || full === opening.file || (flags & 3) !== 0) return open(path, flags, mode);
      if (dirname(full) !== opening.folder) throw new fs.ErrnoError(notThere);
      const opened = open(path, flags, mode);
      opening.others.push(full);
      return opened;
    };
    return module;
  });
}

/** Of the library's files, which are the system's. */
interface FileSystem {
  fstat(descriptor: number): { ino: number };
  open(path: string, flags: number, mode?: number): unknown;
  unlink(path: string): void;
  createStream(stream: object): unknown;
  ErrnoError: new (code: number) => Error;
}

/** What the library writes the text of an error to, to read it from there: kept in memory, as not every process may write files. */
const scratch = /^\/tmp\/tmpfile_\w+$/;

function openScratch(fs: FileSystem, path: string, flags: number): unknown {
  let text = new Uint8Array(0);
  return fs.createStream({
    path,
    flags,
    position: 0,
    seekable: true,
    node: { mode: 0o100600 },
    stream_ops: {
      write({ position }: { position: number }, buffer: Int8Array, offset: number, length: number) {
        const longer = new Uint8Array(Math.max(text.length, position + length));
        longer.set(text);
        longer.set(buffer.subarray(offset, offset + length), position);
        text = longer;
        return length;
      },
      read({ position }: { position: number }, buffer: Int8Array, offset: number, length: number) {
        const part = text.subarray(position, position + length);
        buffer.set(part, offset);
        return part.length;
      },
      llseek: ({ position }: { position: number }, offset: number, whence: number) =>
        offset + [0, position, text.length][whence],
    },
  });
}

const notThere = 44; // ENOENT, as WASI numbers it.

/** Whether a file that another one names lies in its folder; the library would take zeros for what is not there. */
export function isBeside(name: string): boolean {
  if (name === ".") return true; // The same file.
  const path = resolve(opening.folder, name);
  try {
    return dirname(path) === opening.folder && Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** What went wrong, by the innermost line of the library's stack; at most a line of it. */
export function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const [, filter] = /required filter '(.*?)' is not registered/.exec(text) ?? [];
  if (filter !== undefined) {
    return `its filter ${filter} is not at hand here; \`h5repack -f GZIP=4\` writes a copy without it`;
  }
  return ([...text.matchAll(/\(\): (.*)$/gm)].at(-1)?.[1] ?? text.split("\n")[0]).slice(0, 200);
}
