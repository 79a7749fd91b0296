/**
 * Sessions of ONNX Runtime on its C API: results are written where they should be, nothing is copied that is large, and a call costs
 * microseconds.
 *
 * @module
 */

import type { NdArray } from "./array.ts";
import { sameShape, sizeOf } from "./shape.ts";
import { encodeOnnx } from "./onnx.ts";
import { addresses, cStrings, openApi, type OrtApi } from "./ort_api.ts";
import { type ElementType, elementTypes, hostValues, loadModel, type ModelOptions } from "./ort_model.ts";

/** A value that a model takes or gives. */
export interface Port {
  name: string;
  /** -1 for an axis whose length is not fixed. */
  shape: readonly number[];
  /** Undefined for what no array here holds. */
  dtype: "float32" | "int32" | undefined;
}

/** A model that the library holds, until this is disposed of or arrays. */
export interface OrtSession extends Disposable {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * Runs the model on the calling thread; results are written into `outputs`.
   *
   * @throws {TypeError} If an array has another shape or type than the model wants.
   */
  run(inputs: readonly NdArray[], outputs: readonly NdArray[]): void;
  /** Writes the profile and returns its path. */
  endProfile(): string;
}

/** The library, open in this thread. */
export interface Ort {
  api: OrtApi;
  /** @throws {Error} If the bytes are no model that the library can run. */
  createSession(model: Uint8Array, options: ModelOptions): OrtSession;
}

/** Arrays of fewer bytes are copied to and from a buffer of the session, which takes less time than to make the library know them. */
const stagedBytes = 65_536;

/**
 * Opens ONNX Runtime's library in this thread, and tries it.
 *
 * @param folder That of the npm package. @default where npm put it
 * @throws {Error} If it is missing, another than it should be, or computes wrong results; the message says which.
 */
export function openOrt(folder?: string): Ort {
  const api = openApi(folder);
  const ort = createOrt(api);
  const value = (name: string) => ({ name, shape: [2, 2], dtype: "float32" as const });
  const model = encodeOnnx({
    name: "product",
    nodes: [{ op: "MatMul", inputs: ["a", "b"], outputs: ["c"], attributes: {} }],
    inputs: [value("a"), value("b")],
    outputs: [value("c")],
    constants: [],
  });
  const settings = { "session.set_denormal_as_zero": "1" }; // What the first session says holds for the process.
  using session = ort.createSession(model, { name: "product", threads: 1, settings });
  const [a, b, c] = [[1, 2, 3, 4], [5, 6, 7, 8], [0, 0, 0, 0]].map((data): NdArray => ({
    shape: [2, 2],
    data: Float32Array.from(data),
  }));
  session.run([a, b], [c]);
  const ports = [...session.inputs, ...session.outputs].map(({ name, shape, dtype }) => `${name} ${shape} ${dtype}`);
  const found = `${ports}: ${c.data}`;
  const wanted = "a 2,2 float32,b 2,2 float32,c 2,2 float32: 19,22,43,50";
  if (found !== wanted) throw new Error(`a product by the library must give "${wanted}", current is "${found}"`);
  return ort;
}

function createOrt(api: OrtApi): Ort {
  const { call, check, made, out } = api;
  const hostValue = hostValues(api);

  function describe(session: bigint, which: "Input" | "Output"): Port[] {
    const count = Number(made(call[`SessionGet${which}Count`](session, out)));
    return Array.from({ length: count }, (_, i) => {
      const name = api.text(made(call[`SessionGet${which}Name`](session, BigInt(i), api.allocator, out)));
      const type = made(call[`SessionGet${which}TypeInfo`](session, BigInt(i), out));
      try {
        const tensor = made(call.CastTypeInfoToTensorInfo(type, out));
        if (tensor === 0n) return { name, shape: [], dtype: undefined };
        const element = Number(made(call.GetTensorElementType(tensor, out)) & 0xffff_ffffn);
        const shape = new BigInt64Array(addresses(Number(made(call.GetDimensionsCount(tensor, out)))).buffer);
        check(call.GetDimensions(tensor, shape, BigInt(shape.length)));
        const dtype = (Object.keys(elementTypes) as ElementType[]).find((key) => elementTypes[key] === element);
        return { name, shape: [...shape].map(Number), dtype };
      } finally {
        call.ReleaseTypeInfo(type);
      }
    });
  }

  // What the library knows of each large array, by its shape, as long as the array lives.
  const known = new WeakMap<NdArray["data"], { value: bigint; shape: readonly number[] }[]>();
  const arrays = new FinalizationRegistry<bigint>((value) => call.ReleaseValue(value));
  function valueOf({ data, shape }: NdArray, dtype: ElementType): bigint {
    const values = known.get(data) ?? [];
    const found = values.find((one) => sameShape(one.shape, shape));
    if (found) return found.value;
    const value = hostValue(data as Float32Array<ArrayBuffer>, shape, dtype);
    known.set(data, [...values, { value, shape }]);
    arrays.register(data, value);
    return value;
  }

  /** What the inputs or the outputs of a session need for a run. */
  function prepare(ports: readonly Port[], what: string) {
    const { strings, list: names } = cStrings(ports.map(({ name }) => name));
    const values = addresses(ports.length);
    const slots = ports.map((port, i) => {
      const { shape, dtype } = port;
      const size = sizeOf(shape);
      const bytes = 4 * size;
      if (dtype === undefined || shape.some((n) => n < 0) || bytes >= stagedBytes) {
        return { ...port, size, stage: undefined };
      }
      const buffer = new ArrayBuffer(Math.max(bytes, 4));
      values[i] = hostValue(buffer, shape, dtype);
      const stage = dtype === "int32" ? new Int32Array(buffer, 0, size) : new Float32Array(buffer, 0, size);
      return { ...port, size, stage };
    });
    const staged = slots.flatMap(({ stage }, i) => stage ? [values[i]] : []);
    const assertFits = ({ data, shape }: NdArray, i: number) => {
      const { name, shape: wanted, dtype, size } = slots[i];
      if (data.length === size && sameShape(shape, wanted) && (data instanceof Int32Array) === (dtype === "int32")) {
        return;
      }
      const current = `${data instanceof Int32Array ? "int32" : "float32"} [${
        shape.join(", ")
      }] of ${data.length} numbers`;
      throw new TypeError(`${what} "${name}" must be ${dtype} [${wanted.join(", ")}], current is ${current}`);
    };
    return { strings, names, count: BigInt(ports.length), values, slots, staged, assertFits };
  }

  const release = ({ session, values }: { session: bigint; values: readonly bigint[] }) => {
    call.ReleaseSession(session);
    values.forEach((value) => call.ReleaseValue(value));
  };
  const sessions = new FinalizationRegistry(release);

  return {
    api,
    createSession(model, options) {
      const { name } = options;
      const session = loadModel(api, model, options);
      const inputs = prepare(describe(session, "Input"), `Cannot run ${name}: input`);
      const outputs = prepare(describe(session, "Output"), `Cannot run ${name}: output`);
      const held = { session, values: [...inputs.staged, ...outputs.staged] };
      sessions.register(inputs, held, inputs); // Which the functions below hold.
      const failed = `Cannot run ${name}`;
      let isDisposed = false;
      const put = ({ slots, values, assertFits }: typeof inputs, arrays: readonly NdArray[]) => {
        for (let i = 0; i < slots.length; i++) {
          assertFits(arrays[i], i);
          if (!slots[i].stage) values[i] = valueOf(arrays[i], slots[i].dtype!);
        }
      };
      return {
        inputs: inputs.slots,
        outputs: outputs.slots,
        run(from, to) {
          if (isDisposed) throw new Error(`Cannot run ${name}: it was disposed of`);
          put(inputs, from);
          put(outputs, to);
          inputs.slots.forEach(({ stage }, i) => stage?.set(from[i].data));
          const [n, m] = [inputs.count, outputs.count];
          check(call.Run(session, 0n, inputs.names, inputs.values, n, outputs.names, m, outputs.values), failed);
          outputs.slots.forEach(({ stage }, i) => stage && to[i].data.set(stage));
        },
        endProfile: () => api.text(made(call.SessionEndProfiling(session, api.allocator, out))),
        [Symbol.dispose]() {
          isDisposed = true;
          if (sessions.unregister(inputs)) release(held);
        },
      };
    },
  };
}
