import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { openMetrics, readMetrics } from "../../../results/cells/metrics.ts";
import { crc32c } from "../../../results/cells/tensorboard.ts";
import { withFolder } from "../../folder.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("crc32c() gives the values of RFC 3720, appendix B.4", () => {
  assertEquals(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assertEquals(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assertEquals(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assertEquals(crc32c(bytesOf("123456789")), 0xe3069283);
});

interface Field {
  number: number;
  value: number | bigint | Uint8Array;
}

/** The fields of a protocol-buffers message, by its wire format alone. */
function readMessage(bytes: Uint8Array): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
      shift += 7n;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const number = key >> 3;
    if ((key & 7) === 0) fields.push({ number, value: varint() });
    else if ((key & 7) === 1) fields.push({ number, value: view.getFloat64((at += 8) - 8, true) });
    else if ((key & 7) === 5) fields.push({ number, value: view.getFloat32((at += 4) - 4, true) });
    else if ((key & 7) === 2) {
      const length = Number(varint());
      fields.push({ number, value: bytes.slice(at, at += length) });
    } else throw new Error(`wire type ${key & 7}`);
  }
  return fields;
}

/** The records of a TFRecord file; every length and checksum must fit. */
function readRecords(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const unmasked = (masked: number) => {
    const rotated = (masked - 0xa282ead8) >>> 0;
    return (rotated >>> 17 | rotated << 15) >>> 0;
  };
  const records: Uint8Array[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(view.getBigUint64(at, true));
    assertEquals(unmasked(view.getUint32(at + 8, true)), crc32c(file.subarray(at, at + 8)));
    const data = file.slice(at + 12, at + 12 + length);
    assertEquals(unmasked(view.getUint32(at + 12 + length, true)), crc32c(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const find = (fields: Field[], number: number) => fields.filter((f) => f.number === number).map(({ value }) => value);

/** Steps and scalars of an event file. */
async function readEvents(folder: string): Promise<{ step: number; values: Record<string, number> }[]> {
  const [{ name }] = [...Deno.readDirSync(folder)].filter(({ name }) => name.includes("tfevents"));
  const [first, ...rest] = readRecords(await Deno.readFile(join(folder, name))).map(readMessage);
  assertEquals(text(find(first, 3)[0] as Uint8Array), "brain.Event:2");
  return rest.map((event) => {
    assert((find(event, 1)[0] as number) > 1.7e9); // Seconds since 1970.
    const summary = readMessage(find(event, 5)[0] as Uint8Array);
    const values = summary.map(({ value }) => readMessage(value as Uint8Array)).map((fields) =>
      [text(find(fields, 1)[0] as Uint8Array), find(fields, 2)[0] as number] as const
    );
    return { step: Number(find(event, 2)[0]), values: Object.fromEntries(values) };
  });
}

Deno.test("openMetrics() writes event files by TensorBoard's rules, the same numbers as the JSON lines", () =>
  withFolder(async (folder) => {
    const log = await openMetrics(folder, 0, { tensorboard: true });
    await log.append(10, { criticLoss: 0.5, policyLoss: -1 });
    await log.append(200_000, { criticLoss: 0.25, policyLoss: 2 });
    assertEquals(await readEvents(folder), [
      { step: 10, values: { criticLoss: 0.5, policyLoss: -1 } },
      { step: 200_000, values: { criticLoss: 0.25, policyLoss: 2 } },
    ]);
    assertEquals(await readMetrics(folder), [
      { update: 10, criticLoss: 0.5, policyLoss: -1 },
      { update: 200_000, criticLoss: 0.25, policyLoss: 2 },
    ]);
  }));

Deno.test("openMetrics() drops what a killed process wrote after its last checkpoint, and lines cut short", () =>
  withFolder(async (folder) => {
    const log = await openMetrics(folder, 0, { tensorboard: true });
    for (const update of [10, 20, 30]) await log.append(update, { loss: update });
    await Deno.writeTextFile(join(folder, "metrics.jsonl"), '{"update":40,"lo', { append: true });
    const resumed = await openMetrics(folder, 20, { tensorboard: true });
    await resumed.append(30, { loss: 31 });
    assertEquals((await readMetrics(folder)).map(({ loss }) => loss), [10, 20, 31]);
    assertEquals((await readEvents(folder)).map(({ values }) => values.loss), [10, 20, 31]);
  }));

Deno.test("openMetrics() keeps the times of events when training goes on, and of a damaged file what is whole", () =>
  withFolder(async (folder) => {
    const log = await openMetrics(folder, 0, { tensorboard: true });
    for (const update of [10, 20, 30]) await log.append(update, { loss: update });
    const path = join(folder, "events.out.tfevents.0.onestep");
    const times = async () =>
      readRecords(await Deno.readFile(path)).slice(1).map((record) => find(readMessage(record), 1)[0]);
    const first = await times();
    await new Promise((done) => setTimeout(done, 20));
    await openMetrics(folder, 20, { tensorboard: true });
    assertEquals(await times(), first.slice(0, 2));
    await Deno.truncate(path, (await Deno.stat(path)).size - 3); // Without the last event's end: that update is said anew.
    await openMetrics(folder, 20, { tensorboard: true });
    assertEquals((await readEvents(folder)).map(({ step }) => step), [10, 20]);
  }));

Deno.test("openMetrics() writes no event file unless asked", () =>
  withFolder(async (folder) => {
    await (await openMetrics(folder, 0)).append(1, { loss: 1 });
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["metrics.jsonl"]);
  }));
