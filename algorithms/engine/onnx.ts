/**
 * ONNX models as bytes: the subset of the format that {@linkcode compile} writes.
 *
 * Field numbers are those of `onnx.proto3` (ONNX 1.16, IR version 9); the wire format is written by
 * `@bufbuild/protobuf`.
 *
 * @module
 */

import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** Element types that graphs here hold. */
export type DType = "float32" | "int32" | "int64" | "bool";

const elementType: Record<DType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 }; // TensorProto.DataType

/** An attribute of a node; integers are written as INT or INTS, floats as FLOAT. */
export type Attribute = { ints: readonly number[] } | { int: number } | { float: number };

/** One operation: its ONNX name, the names it reads and writes, its attributes. */
export interface OnnxNode {
  op: string;
  inputs: string[];
  outputs: string[];
  attributes: Record<string, Attribute>;
  domain?: string;
}

/** A named value with its type; a string dimension is symbolic, the shape "sequence" is that of a sequence of tensors. */
export interface OnnxValue {
  name: string;
  shape: readonly (number | string)[] | "sequence";
  dtype: DType;
}

/** A constant of the graph. */
export interface OnnxConstant extends OnnxValue {
  shape: readonly number[];
  data: Float32Array | Int32Array | BigInt64Array | Uint8Array;
}

/** A whole model. */
export interface OnnxGraph {
  name: string;
  nodes: readonly OnnxNode[];
  inputs: readonly OnnxValue[];
  outputs: readonly OnnxValue[];
  constants: readonly OnnxConstant[];
}

type Body = (writer: BinaryWriter) => void;

const message = (writer: BinaryWriter, field: number, body: Body) => {
  writer.tag(field, 2).fork();
  body(writer);
  writer.join();
};
const text = (writer: BinaryWriter, field: number, value: string) => writer.tag(field, 2).string(value);
const integer = (writer: BinaryWriter, field: number, value: number) => writer.tag(field, 0).int64(value);

function writeAttribute(writer: BinaryWriter, name: string, attribute: Attribute) {
  text(writer, 1, name);
  if ("float" in attribute) {
    writer.tag(2, 5).float(attribute.float);
    integer(writer, 20, 1); // AttributeProto.FLOAT
  } else if ("int" in attribute) {
    integer(writer, 3, attribute.int);
    integer(writer, 20, 2); // INT
  } else {
    for (const n of attribute.ints) integer(writer, 8, n);
    integer(writer, 20, 7); // INTS
  }
}

function writeNode(writer: BinaryWriter, node: OnnxNode) {
  for (const input of node.inputs) text(writer, 1, input);
  for (const output of node.outputs) text(writer, 2, output);
  text(writer, 4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    message(writer, 5, (w) => writeAttribute(w, name, attribute));
  }
  if (node.domain) text(writer, 7, node.domain);
}

function writeConstant(writer: BinaryWriter, constant: OnnxConstant) {
  for (const n of constant.shape) integer(writer, 1, n);
  integer(writer, 2, elementType[constant.dtype]);
  text(writer, 8, constant.name);
  const { buffer, byteOffset, byteLength } = constant.data;
  writer.tag(9, 2).bytes(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)); // raw_data, little-endian
}

function writeValue(writer: BinaryWriter, value: OnnxValue) {
  const { name, shape, dtype } = value;
  const tensorType: Body = (type) =>
    message(type, 1, (tensor) => {
      integer(tensor, 1, elementType[dtype]);
      if (shape === "sequence") return;
      message(tensor, 2, (dims) => {
        for (const n of shape) message(dims, 1, (dim) => typeof n === "number" ? integer(dim, 1, n) : text(dim, 2, n));
      });
    });
  text(writer, 1, name);
  message(
    writer,
    2,
    shape === "sequence" ? (type) => message(type, 4, (of) => message(of, 1, tensorType)) : tensorType,
  );
}

/** The bytes of `graph` as an ONNX model, operator set 18. */
export function encodeOnnx(graph: OnnxGraph): Uint8Array {
  const writer = new BinaryWriter();
  integer(writer, 1, 9); // ir_version
  text(writer, 2, "onestep");
  message(writer, 7, (w) => {
    for (const node of graph.nodes) message(w, 1, (n) => writeNode(n, node));
    text(w, 2, graph.name);
    for (const constant of graph.constants) message(w, 5, (n) => writeConstant(n, constant));
    for (const value of graph.inputs) message(w, 11, (n) => writeValue(n, value));
    for (const value of graph.outputs) message(w, 12, (n) => writeValue(n, value));
  });
  message(writer, 8, (w) => integer(w, 2, 18)); // opset_import, default domain
  return writer.finish();
}

/** The graph with some of its values under other names. */
export function renameValues(graph: OnnxGraph, names: ReadonlyMap<string, string>): OnnxGraph {
  const renamed = (name: string) => names.get(name) ?? name;
  const value = <V extends OnnxValue>(v: V): V => ({ ...v, name: renamed(v.name) });
  return {
    ...graph,
    nodes: graph.nodes.map((n) => ({ ...n, inputs: n.inputs.map(renamed), outputs: n.outputs.map(renamed) })),
    inputs: graph.inputs.map(value),
    outputs: graph.outputs.map(value),
    constants: graph.constants.map(value),
  };
}
