/**
 * Checkpoints in the safetensors format: an 8-byte header length, a JSON header, raw little-endian tensors. Own ones have a digest of
 * all that they say, and are not read without it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type NdArray, ndarray } from "./array.ts";
import { treeEntries, treeLike } from "./tree.ts";

/**
 * A tree of arrays and text metadata as safetensors bytes; the tensors are named by their paths, and the metadata gain a digest of the
 * header and the tensors.
 *
 * @throws {RangeError} If a value is not finite; the message names the tensor.
 */
export function encodeCheckpoint(tree: unknown, metadata: Record<string, string> = {}): Uint8Array {
  const leaves = treeEntries<NdArray>(tree);
  let end = 0;
  const entries = leaves.map(([path, { data, shape }]): [string, unknown] => {
    const bad = data.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) {
      throw new RangeError(`Cannot save tensor "${path}": values must be finite, element ${bad} is ${data[bad]}`);
    }
    return [path, {
      dtype: data instanceof Int32Array ? "I32" : "F32",
      shape,
      data_offsets: [end, end += data.byteLength],
    }];
  });
  const body = new Uint8Array(end);
  let at = 0;
  for (const [, { data }] of leaves) {
    body.set(bytesOf(data), at);
    at += data.byteLength;
  }
  const __metadata__ = { ...metadata, digest: digestOf(metadata, entries, body) };
  const json = new TextEncoder().encode(
    JSON.stringify(Object.fromEntries([...entries, ["__metadata__", __metadata__]])),
  );
  const padded = Math.ceil(json.length / 8) * 8; // The format allows spaces; tensors then lie aligned.
  const bytes = new Uint8Array(8 + padded + end).fill(0x20, 8, 8 + padded);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  bytes.set(body, 8 + padded);
  return bytes;
}

/** SHA-256 of metadata, names, types, shapes, places and values, in hex; the order of names does not count. */
function digestOf(metadata: Record<string, string>, entries: [string, unknown][], body: Uint8Array): string {
  const byName = <T>(list: [string, T][]) => list.toSorted(([a], [b]) => a < b ? -1 : 1);
  const header = JSON.stringify([byName(Object.entries(metadata)), byName(entries)]);
  return createHash("sha256").update(header).update(body).digest("hex");
}

const bytesOf = ({ buffer, byteOffset, byteLength }: NdArray["data"]) => new Uint8Array(buffer, byteOffset, byteLength);

/** Named tensors and metadata of safetensors bytes. */
export interface Checkpoint {
  /** Tensors by their paths. */
  tensors: Map<string, NdArray>;
  /** Text by name. */
  metadata: Record<string, string>;
}

const broken = (why: string) => new Error(`Cannot read safetensors: ${why}`);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

interface Entry {
  dtype: unknown;
  shape: number[];
  from: number;
  to: number;
}

const areSizes = (list: unknown): list is number[] =>
  Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);

function readEntry([name, entry]: [string, unknown]): [string, Entry] {
  const { dtype, shape, data_offsets: offsets } = isRecord(entry) ? entry : {} as Record<string, unknown>;
  if (!areSizes(shape) || !areSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw broken(`tensor "${name}" must have a shape and data_offsets of whole numbers`);
  }
  return [name, { dtype, shape, from: offsets[0], to: offsets[1] }];
}

const byPlace = ([, a]: [string, Entry], [, b]: [string, Entry]) => a.from - b.from || a.to - b.to;

/**
 * Reads a checkpoint that {@linkcode encodeCheckpoint} wrote.
 *
 * @throws {Error} If the bytes are not those that it wrote, or have no digest: those of other programs are for
 * {@linkcode decodeSafetensors}.
 */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const failed = (why: string) => new Error(`Cannot read checkpoint: ${why}; delete the file to start over`);
  let read: ReturnType<typeof decode>;
  try {
    read = decode(bytes);
  } catch (cause) {
    throw failed((cause as Error).message.replace("Cannot read safetensors: ", ""));
  }
  const { tensors, metadata: { digest, ...metadata }, entries, body } = read;
  if (digest === undefined) throw failed("its metadata must have a digest; another program or version wrote it");
  if (digest !== digestOf(metadata, entries, body)) throw failed("it is damaged");
  return { tensors, metadata };
}

/**
 * Reads safetensors bytes of any program, if all tensors are of float32 or int32.
 *
 * @throws {Error} If they are cut short, are something else, or have tensors that overlap or leave gaps.
 */
export function decodeSafetensors(bytes: Uint8Array): Checkpoint {
  const { tensors, metadata } = decode(bytes);
  return { tensors, metadata };
}

function decode(bytes: Uint8Array) {
  if (bytes.length < 8) throw broken(`it must have at least 8 bytes, current size is ${bytes.length}`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > bytes.length - 8) throw broken("its header is cut short");
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch {
    throw broken("its header is not JSON");
  }
  if (!isRecord(header)) throw broken("its header must be an object");
  const { __metadata__ = {}, ...rest } = header;
  const entries = Object.entries(rest);
  if (!isRecord(__metadata__) || Object.values(__metadata__).some((text) => typeof text !== "string")) {
    throw broken("its __metadata__ must be texts by name");
  }
  const tensors = new Map<string, NdArray>();
  const body = bytes.subarray(8 + length);
  let end = 0; // The format asks for tensors one after the other, so that no byte is read twice and none is hidden.
  for (const [name, { dtype, shape, from, to }] of entries.map(readEntry).sort(byPlace)) {
    if (dtype !== "F32" && dtype !== "I32") {
      throw broken(`tensor "${name}" must be F32 or I32, current type is ${dtype}`);
    }
    if (to > body.length) throw broken(`tensor "${name}" is cut short`);
    if (from !== end) {
      throw broken(`tensor "${name}" must begin where the one before it ends, at ${end}, current is ${from}`);
    }
    if (to - from !== 4 * shape.reduce((a, b) => a * b, 1)) {
      throw broken(`tensor "${name}" must have the bytes of its shape [${shape.join(", ")}], current are ${to - from}`);
    }
    const copy = body.slice(from, to).buffer;
    tensors.set(name, ndarray(dtype === "F32" ? new Float32Array(copy) : new Int32Array(copy), shape));
    end = to;
  }
  if (end !== body.length) throw broken(`it must have ${end} bytes after its header, current are ${body.length}`);
  return { tensors, metadata: __metadata__ as Record<string, string>, entries, body };
}

/**
 * The tensors of a checkpoint in the structure of `like`.
 *
 * @throws {Error} If a tensor is missing or has another shape.
 */
export function restoreTree<T>(like: T, { tensors }: Checkpoint): T {
  const leaves = treeEntries<NdArray>(like).map(([path, wanted]) => {
    const found = tensors.get(path);
    if (!found || `${found.shape}` !== `${wanted.shape}`) {
      throw new Error(
        `Cannot restore tensor "${path}": it must be [${wanted.shape.join(", ")}], ` +
          `current is ${found ? `[${found.shape.join(", ")}]` : "missing"}; was the checkpoint made by another config?`,
      );
    }
    return found;
  });
  return treeLike<NdArray, T>(like, leaves);
}

/**
 * The tensors of a checkpoint as the tree that their paths tell; a branch whose keys count from 0 is an array. Names are data: none
 * reaches beyond the tree's own properties.
 *
 * @throws {Error} If one path goes on where another ends.
 */
export function nestTensors({ tensors }: Checkpoint): unknown {
  type Branch = Map<string, Branch | NdArray>;
  const root: Branch = new Map();
  for (const [path, tensor] of tensors) {
    const keys = path.split("/");
    const last = keys.pop()!;
    let node = root;
    for (const key of keys) {
      const next = node.get(key) ?? new Map();
      if (!(next instanceof Map)) throw broken(`tensor "${path}" lies below another tensor`);
      node.set(key, next);
      node = next;
    }
    if (node.has(last)) throw broken(`tensor "${path}" lies above another tensor`);
    node.set(last, tensor);
  }
  const settle = (node: Branch | NdArray): unknown => {
    if (!(node instanceof Map)) return node;
    const children = [...node].map(([key, child]) => [key, settle(child)] as const);
    const counts = children.every(([key], i) => key === `${i}`);
    return counts ? children.map(([, child]) => child) : Object.fromEntries(children);
  };
  return settle(root);
}
