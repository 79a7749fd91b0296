/**
 * TensorBoard's files: Event messages (tensorflow/core/util/event.proto) in TFRecord frames.
 *
 * @module
 */

import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";

/** A file of the given records, each with its update. */
export const eventFile = (records: readonly ({ update: number } & Record<string, number>)[]): Uint8Array =>
  concatenate([frameRecord(versionEvent()), ...records.map(({ update, ...values }) => scalarRecord(update, values))]);

/**
 * What a file says up to an update, with the times at which it was said; what is cut short or damaged ends it.
 *
 * @returns Null if it is no such file, or lacks one of `updates`.
 */
export function keepEvents(file: Uint8Array, updates: readonly number[]): Uint8Array | null {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const kept: Uint8Array[] = [];
  const steps = new Set<number>();
  for (let at = 0; at + 16 <= file.length;) {
    const length = Number(view.getBigUint64(at, true));
    const end = at + 16 + length;
    if (end > file.length) break;
    const data = file.subarray(at + 12, at + 12 + length);
    if (maskedCrc(data) !== view.getUint32(end - 4, true)) break;
    const step = stepOf(data);
    if (step === null || updates.includes(step)) kept.push(file.subarray(at, end));
    if (step !== null) steps.add(step);
    at = end;
  }
  return kept.length > 0 && updates.every((update) => steps.has(update)) ? concatenate(kept) : null;
}

/** The step of an event; null for the file's version. */
function stepOf(event: Uint8Array): number | null {
  const reader = new BinaryReader(event);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 2) return Number(reader.int64());
    reader.skip(type, field);
  }
  return null;
}

/** One point of each scalar, to be appended to a file. */
export const scalarRecord = (update: number, values: Record<string, number>): Uint8Array =>
  frameRecord(scalarEvent(update, values));

function event(fill: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, 1).double(Date.now() / 1000); // wall_time
  fill(writer);
  return writer.finish();
}

const versionEvent = () => event((writer) => writer.tag(3, 2).string("brain.Event:2")); // file_version

/** One point of each scalar. */
function scalarEvent(step: number, values: Record<string, number>): Uint8Array {
  return event((writer) => {
    writer.tag(2, 0).int64(step);
    writer.tag(5, 2).fork(); // summary
    for (const [tag, value] of Object.entries(values)) {
      writer.tag(1, 2).fork(); // value
      writer.tag(1, 2).string(tag).tag(2, 5).float(value); // tag, simple_value
      writer.join();
    }
    writer.join();
  });
}

/** A TFRecord: length, its masked CRC, the data, their masked CRC. */
function frameRecord(data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(data.length + 16);
  const view = new DataView(frame.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(frame.subarray(0, 8)), true);
  frame.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return frame;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, i) => {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C (Castagnoli), as in RFC 3720. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff] ^ crc >>> 8;
  return ~crc >>> 0;
}

/** TensorFlow's mask, for data that hold CRCs themselves. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return ((crc >>> 15 | crc << 17) + 0xa282ead8) >>> 0;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
