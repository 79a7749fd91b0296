/**
 * Checkpoints in the safetensors format: an 8-byte header length, a JSON header, raw little-endian tensors.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type NdArray, ndarray } from "./array.ts";
import { treeEntries, treeLike } from "./tree.ts";

/**
 * A tree of arrays and text metadata as safetensors bytes; the tensors are named by their paths, and the metadata gain
 * their SHA-256.
 *
 * @throws {RangeError} If a value is not finite; the message names the tensor.
 */
export function encodeCheckpoint(tree: unknown, metadata: Record<string, string> = {}): Uint8Array {
  const entries = treeEntries<NdArray>(tree);
  const header: Record<string, unknown> = {};
  const hash = createHash("sha256").update(JSON.stringify(metadata));
  let end = 0;
  for (const [path, { data, shape }] of entries) {
    const bad = data.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) {
      throw new RangeError(`Cannot save tensor "${path}": values must be finite, element ${bad} is ${data[bad]}`);
    }
    const dtype = data instanceof Int32Array ? "I32" : "F32";
    header[path] = { dtype, shape, data_offsets: [end, end += data.byteLength] };
    hash.update(bytesOf(data));
  }
  header.__metadata__ = { ...metadata, sha256: hash.digest("hex") };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8; // The format allows spaces; tensors then lie aligned.
  const bytes = new Uint8Array(8 + padded + end).fill(0x20, 8, 8 + padded);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  let at = 8 + padded;
  for (const [, { data }] of entries) {
    bytes.set(bytesOf(data), at);
    at += data.byteLength;
  }
  return bytes;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: NdArray["data"]) => new Uint8Array(buffer, byteOffset, byteLength);

/** Named tensors and metadata of safetensors bytes. */
export interface Checkpoint {
  /** Tensors by their paths. */
  tensors: Map<string, NdArray>;
  /** Text by name. */
  metadata: Record<string, string>;
}

/**
 * Reads safetensors bytes.
 *
 * @throws {Error} If they are cut short, are something else, or differ from the SHA-256 in their metadata.
 */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const broken = (why: string) => new Error(`Cannot read checkpoint: ${why}; delete the file to start over`);
  if (bytes.length < 8) throw broken(`it must have at least 8 bytes, current size is ${bytes.length}`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > bytes.length - 8) throw broken("its header is cut short");
  let header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  } catch {
    throw broken("its header is not JSON");
  }
  const { __metadata__ = {}, ...entries } = header as typeof header & { __metadata__?: Record<string, string> };
  const { sha256, ...metadata } = __metadata__; // Other programs' files have no SHA-256.
  const tensors = new Map<string, NdArray>();
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(entries)) {
    if (8 + length + end > bytes.length) throw broken(`tensor "${name}" is cut short`);
    if (dtype !== "F32" && dtype !== "I32") {
      throw broken(`tensor "${name}" must be F32 or I32, current type is ${dtype}`);
    }
    const copy = bytes.slice(8 + length + start, 8 + length + end).buffer;
    tensors.set(name, ndarray(dtype === "F32" ? new Float32Array(copy) : new Int32Array(copy), shape));
  }
  if (sha256) {
    const found = createHash("sha256").update(JSON.stringify(metadata)).update(bytes.subarray(8 + length)).digest(
      "hex",
    );
    if (found !== sha256) throw broken("it is damaged");
  }
  return { tensors, metadata };
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

/** The tensors of a checkpoint as the tree that their paths tell; a branch whose keys count from 0 is an array. */
export function nestTensors({ tensors }: Checkpoint): unknown {
  const root: Record<string, unknown> = {};
  for (const [path, tensor] of tensors) {
    const keys = path.split("/");
    const last = keys.pop()!;
    let node = root;
    for (const key of keys) node = (node[key] ??= {}) as Record<string, unknown>;
    node[last] = tensor;
  }
  const settle = (node: unknown): unknown => {
    if (typeof node !== "object" || node === null || "shape" in node) return node;
    const children = Object.entries(node).map(([key, child]) => [key, settle(child)] as const);
    const counts = children.every(([key], i) => key === `${i}`);
    return counts ? children.map(([, child]) => child) : Object.fromEntries(children);
  };
  return settle(root);
}
