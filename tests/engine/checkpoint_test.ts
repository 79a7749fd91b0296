import { assert, assertEquals, assertThrows } from "@std/assert";
import { createRng, type Rng } from "../../algorithms/core/rng.ts";
import { dtql } from "../../algorithms/dtql/mod.ts";
import { ndarray } from "../../algorithms/engine/array.ts";
import {
  type Checkpoint,
  decodeCheckpoint,
  decodeSafetensors,
  encodeCheckpoint,
} from "../../algorithms/engine/checkpoint.ts";

/** A real state: DTQL's networks, their optimizers and averages. */
const sizes = { hidden: 8, diffusionHidden: 8 };
const { arrays } = dtql.create({ ...dtql.defaults, ...sizes }, { observationDim: 3, actionDim: 2, maxAction: 1 }).init(
  createRng("checkpoint"),
);
const identity = { task: "hopper-medium-v2", algorithm: "dtql", seed: "0", hash: "0123456789", updates: "500" };
const whole = encodeCheckpoint(arrays, identity);
const written = decodeCheckpoint(whole);

/** The header as text, and what follows it. */
function parts(bytes: Uint8Array): { header: string; body: Uint8Array } {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  return { header: new TextDecoder().decode(bytes.subarray(8, 8 + length)), body: bytes.slice(8 + length) };
}

function concat(pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function joined(header: string, body: Uint8Array): Uint8Array {
  const json = new TextEncoder().encode(header);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  return concat([length, json, body]);
}

/** Bytes lost, added, changed or exchanged, anywhere. */
function mutateBytes(rng: Rng): Uint8Array {
  const bytes = whole.slice();
  const at = rng.integer(bytes.length);
  const to = Math.min(at + 1 + rng.integer(64), bytes.length);
  switch (rng.integer(6)) {
    case 0:
      bytes[at] ^= 1 << rng.integer(8);
      return bytes;
    case 1:
      return bytes.slice(0, at);
    case 2:
      return concat([bytes.subarray(0, at), bytes.subarray(to)]);
    case 3:
      return concat([bytes.subarray(0, to), bytes.subarray(at)]);
    case 4:
      return bytes.fill(rng.integer(256), at, to);
    default:
      return bytes.copyWithin(at, rng.integer(bytes.length), bytes.length);
  }
}

/** A header that is JSON still and says something else: names exchanged, shapes, types, places or metadata changed. */
function mutateHeader(rng: Rng): Uint8Array {
  const { header, body } = parts(whole);
  const { __metadata__: metadata, ...tensors } = JSON.parse(header);
  const entries = Object.entries<{ dtype: string; shape: number[]; data_offsets: number[] }>(tensors);
  const pick = () => entries[rng.integer(entries.length)];
  const [one, other] = [pick(), pick()];
  switch (rng.integer(8)) {
    case 0:
      [one[0], other[0]] = [other[0], one[0]];
      break;
    case 1:
      one[1].shape = one[1].shape.toReversed();
      break;
    case 2:
      one[1].shape = [...one[1].shape, 1];
      break;
    case 3:
      one[1].dtype = "I32";
      break;
    case 4:
      [one[1].data_offsets, other[1].data_offsets] = [other[1].data_offsets, one[1].data_offsets];
      break;
    case 5: {
      const key = Object.keys(identity)[rng.integer(5)];
      metadata[key] = `${metadata[key]}1`;
      break;
    }
    case 6:
      delete metadata[["digest", "seed", "hash"][rng.integer(3)]];
      break;
    default:
      one[0] = `${one[0]}x`;
  }
  return joined(JSON.stringify({ ...Object.fromEntries(entries), __metadata__: metadata }), body);
}

const seen = ({ tensors, metadata }: Checkpoint) => [
  Object.entries(metadata).sort(),
  [...tensors].map(([name, { shape, data }]) => [name, shape, data.constructor.name, [...data]]).sort(),
];

Deno.test("3000 mutated checkpoints are each refused by name or read as they were written", () => {
  const rng = createRng("mutated checkpoints");
  const wanted = JSON.stringify(seen(written));
  const counts = { refused: 0, same: 0 };
  for (let trial = 0; trial < 3000; trial++) {
    const bytes = trial % 2 === 0 ? mutateBytes(rng) : mutateHeader(rng);
    let found: Checkpoint;
    try {
      found = decodeCheckpoint(bytes);
    } catch (error) {
      const { message } = error as Error;
      assert(
        /^Cannot read checkpoint: .+; delete the file to start over$/s.test(message) && message.length < 400,
        message,
      );
      counts.refused++;
      continue;
    }
    assertEquals(JSON.stringify(seen(found)), wanted, `trial ${trial}`);
    counts.same++;
  }
  assert(counts.refused > 2500 && counts.same > 0, JSON.stringify(counts)); // Two of one name may change places with themselves.
});

Deno.test("3000 mutated files of other programs are refused by name, or read within their bytes", () => {
  const rng = createRng("mutated safetensors");
  for (let trial = 0; trial < 3000; trial++) {
    const bytes = trial % 2 === 0 ? mutateBytes(rng) : mutateHeader(rng);
    let found: Checkpoint;
    try {
      found = decodeSafetensors(bytes);
    } catch (error) {
      assert((error as Error).message.startsWith("Cannot read safetensors: "), (error as Error).message);
      continue;
    }
    const read = [...found.tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    assertEquals(read, parts(bytes).body.length, `trial ${trial}`);
  }
});

Deno.test("decodeCheckpoint() demands a digest; decodeSafetensors() reads other programs' files", () => {
  const { header, body } = parts(encodeCheckpoint({ w: ndarray([1, 2], [2]) }, { updates: "3" }));
  const { __metadata__: { digest, ...metadata }, ...tensors } = JSON.parse(header);
  assertEquals(digest.length, 64);
  const other = joined(JSON.stringify({ __metadata__: { ...metadata, format: "pt" }, ...tensors }), body);
  assertThrows(
    () => decodeCheckpoint(other),
    Error,
    "its metadata must have a digest; another program or version wrote it",
  );
  const read = decodeSafetensors(other);
  assertEquals([read.metadata, [...read.tensors.get("w")!.data]], [{ updates: "3", format: "pt" }, [1, 2]]);
});
