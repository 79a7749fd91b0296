/**
 * Files that {@linkcode encodeOnnx} wrote, as graphs again.
 *
 * @module
 */

import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Attribute, DType, OnnxConstant, OnnxGraph, OnnxNode, OnnxValue } from "./onnx.ts";

type Field = number | Uint8Array;

/** The fields of a message by number: bytes as they are, numbers as numbers. */
function fieldsOf(bytes: Uint8Array): Map<number, Field[]> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, Field[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const value = type === 0
      ? Number(reader.int64())
      : type === 1
      ? reader.double()
      : type === 2
      ? reader.bytes()
      : reader.float();
    fields.set(number, [...fields.get(number) ?? [], value]);
  }
  return fields;
}

const refuse = (what: string): never => {
  throw new TypeError(`Cannot read an ONNX file: it must be Onestep's own, current has ${what}`);
};

const decoder = new TextDecoder();
const messages = (fields: Map<number, Field[]>, number: number) => (fields.get(number) ?? []) as Uint8Array[];
const texts = (fields: Map<number, Field[]>, number: number) => messages(fields, number).map((b) => decoder.decode(b));
const integers = (fields: Map<number, Field[]>, number: number) => (fields.get(number) ?? []) as number[];

const types: Readonly<Record<number, DType>> = { 1: "float32", 6: "int32", 7: "int64", 9: "bool" };
const typeOf = (number: number): DType => types[number] ?? refuse(`elements of type ${number}`);

function readAttribute(bytes: Uint8Array): [string, Attribute] {
  const fields = fieldsOf(bytes);
  const [name] = texts(fields, 1);
  switch (integers(fields, 20)[0]) {
    case 1:
      return [name, { float: integers(fields, 2)[0] }];
    case 2:
      return [name, { int: integers(fields, 3)[0] }];
    case 7:
      return [name, { ints: integers(fields, 8) }];
  }
  return refuse(`an attribute "${name}" that is no number`);
}

function readNode(bytes: Uint8Array): OnnxNode {
  const fields = fieldsOf(bytes);
  const [domain] = texts(fields, 7);
  return {
    op: texts(fields, 4)[0],
    inputs: texts(fields, 1),
    outputs: texts(fields, 2),
    attributes: Object.fromEntries(messages(fields, 5).map(readAttribute)),
    ...(domain ? { domain } : {}),
  };
}

const arrays = { float32: Float32Array, int32: Int32Array, int64: BigInt64Array, bool: Uint8Array };

function readConstant(bytes: Uint8Array): OnnxConstant {
  const fields = fieldsOf(bytes);
  const dtype = typeOf(integers(fields, 2)[0]);
  const [name] = texts(fields, 8);
  const [raw = refuse(`a constant "${name}" elsewhere than in raw_data`)] = messages(fields, 9);
  return { name, shape: integers(fields, 1), dtype, data: new arrays[dtype](raw.slice().buffer) };
}

function readValue(bytes: Uint8Array): OnnxValue {
  const value = fieldsOf(bytes);
  const [name] = texts(value, 1);
  const [tensor = refuse(`"${name}", which is no tensor`)] = messages(fieldsOf(messages(value, 2)[0]), 1);
  const fields = fieldsOf(tensor);
  const shape = messages(fields, 2).flatMap((dims) =>
    messages(fieldsOf(dims), 1).map(fieldsOf).map((dim) => integers(dim, 1)[0] ?? texts(dim, 2)[0])
  );
  return { name, shape, dtype: typeOf(integers(fields, 1)[0]) };
}

/**
 * The graph of a file.
 *
 * @throws {TypeError} If another program wrote it.
 */
export function decodeOnnx(bytes: Uint8Array): OnnxGraph {
  const model = fieldsOf(bytes);
  const [producer] = texts(model, 2);
  if (producer !== "onestep") refuse(`the producer "${producer}"`);
  const graph = fieldsOf(messages(model, 7)[0]);
  return {
    name: texts(graph, 2)[0],
    nodes: messages(graph, 1).map(readNode),
    constants: messages(graph, 5).map(readConstant),
    inputs: messages(graph, 11).map(readValue),
    outputs: messages(graph, 12).map(readValue),
  };
}
