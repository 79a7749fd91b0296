import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { dirname, join } from "node:path";
import { type NdArray, ndarray } from "../../algorithms/engine/array.ts";
import { encodeOnnx, type OnnxGraph, type OnnxNode } from "../../algorithms/engine/onnx.ts";
import { openOrt } from "../../algorithms/engine/ort.ts";
import { findPackage, libraryPath } from "../../algorithms/engine/ort_api.ts";
import { withFolder } from "../folder.ts";
import { hasCompiler } from "../processes.ts";

const ort = openOrt();
const options = { name: "test", threads: 1, settings: {} };
const value = (name: string, ...shape: number[]) => ({ name, shape, dtype: "float32" as const });
const node = (op: string, inputs: string[], outputs: string[]): OnnxNode => ({ op, inputs, outputs, attributes: {} });
const model = (change: Partial<OnnxGraph>) =>
  encodeOnnx({ name: "test", nodes: [], inputs: [], outputs: [], constants: [], ...change });
const product = model({
  nodes: [node("MatMul", ["x", "row"], ["y"])],
  inputs: [value("x", 256, 256), value("row", 256, 1)],
  outputs: [value("y", 256, 1)],
});
const zeros = (...shape: number[]) => ndarray(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);

Deno.test("a session says what it takes and gives", () => {
  const session = ort.createSession(
    model({
      nodes: [node("Gather", ["x", "i"], ["y"])],
      inputs: [value("x", 7, 3), { name: "i", shape: ["rows"], dtype: "int32" }],
      outputs: [{ name: "y", shape: ["rows", 3], dtype: "float32" }],
    }),
    options,
  );
  const ports = [...session.inputs, ...session.outputs].map(({ name, shape, dtype }) => ({ name, shape, dtype }));
  assertEquals(ports, [
    { name: "x", shape: [7, 3], dtype: "float32" },
    { name: "i", shape: [-1], dtype: "int32" },
    { name: "y", shape: [-1, 3], dtype: "float32" },
  ]);
});

Deno.test("arrays on V8's heap and beside it are read and written where they are, while the garbage collector moves them", () => {
  const sizes = [1, 3, 16, 17, 4000, 20_000]; // Up to 16 numbers lie on V8's heap, from 16,384 on nothing is staged.
  const session = ort.createSession(
    model({
      nodes: sizes.map((n) => node("Neg", [`x${n}`], [`y${n}`])),
      inputs: sizes.map((n) => value(`x${n}`, n)),
      outputs: sizes.map((n) => value(`y${n}`, n)),
    }),
    options,
  );
  for (let k = 0; k < 300; k++) {
    const garbage = Array.from({ length: 1000 }, (_, i) => Float32Array.of(i, k));
    const inputs = sizes.map((n) => ndarray(new Float32Array(n).fill(k + n), [n]));
    const outputs = sizes.map((n) => zeros(n));
    session.run(inputs, outputs);
    assert(garbage.length === 1000 && outputs.every(({ data }, i) => data.every((y) => y === -(k + sizes[i]))));
  }
});

Deno.test("one buffer may be two inputs of different shapes, again and again", () => {
  const session = ort.createSession(
    model({
      nodes: [node("Gemm", ["x", "y"], ["z"])],
      inputs: [value("x", 128, 256), value("y", 256, 128)],
      outputs: [value("z", 128, 128)],
    }),
    options,
  );
  const data = Float32Array.from({ length: 128 * 256 }, (_, i) => i % 7);
  const wanted = [0, 1].map((column) =>
    Array.from({ length: 256 }, (_, k) => data[k] * data[128 * k + column]).reduce((a, b) => a + b)
  );
  for (let k = 0; k < 3; k++) {
    const z = zeros(128, 128);
    session.run([ndarray(data, [128, 256]), ndarray(data, [256, 128])], [z]);
    assertEquals([...z.data.subarray(0, 2)], wanted);
  }
});

Deno.test("an array of another shape, type or length is refused by its name before the library sees it", () => {
  const session = ort.createSession(product, options);
  const run = (x: NdArray, y = zeros(256, 1)) => () => session.run([x, zeros(256, 1)], [y]);
  const wanted = 'Cannot run test: input "x" must be float32 [256, 256], current is';
  assertThrows(run(zeros(256, 255)), TypeError, `${wanted} float32 [256, 255] of 65280 numbers`);
  const ints = ndarray(new Int32Array(65_536), [256, 256]);
  assertThrows(run(ints), TypeError, `${wanted} int32 [256, 256] of 65536 numbers`);
  const [x, short] = [zeros(256, 256), { data: new Float32Array(9), shape: [256, 1] }];
  assertThrows(
    run(x, short),
    TypeError,
    'output "y" must be float32 [256, 1], current is float32 [256, 1] of 9 numbers',
  );
  run(x)(); // The library knows it now.
  structuredClone(x.data, { transfer: [x.data.buffer as ArrayBuffer] }); // Its memory is another's now.
  assertThrows(run(x), TypeError, `${wanted} float32 [256, 256] of 0 numbers`);
});

Deno.test("errors of the library arrive with the session's name", () => {
  const broken = model({ nodes: [node("Nonsense", ["x"], ["y"])], inputs: [value("x", 1)], outputs: [value("y", 1)] });
  assertThrows(() => ort.createSession(broken, options), Error, "Cannot load test: ");
  assertThrows(() => ort.createSession(Uint8Array.of(1, 2, 3), options), Error, "Cannot load test: ");
  const gather = ort.createSession(
    model({
      nodes: [node("Gather", ["x", "i"], ["y"])],
      inputs: [value("x", 2), { name: "i", shape: [1], dtype: "int32" }],
      outputs: [value("y", 1)],
    }),
    options,
  );
  const index = ndarray(Int32Array.of(5), [1]);
  assertThrows(() => gather.run([zeros(2), index], [zeros(1)]), Error, "Cannot run test: ");
});

Deno.test("a session that was disposed of runs no more, and its memory comes back", () => {
  const rows = 1 << 20;
  const constant = { ...value("c", rows), data: new Float32Array(rows).fill(1) };
  const add = model({
    nodes: [node("Add", ["x", "c"], ["y"])],
    inputs: [value("x", 1)],
    outputs: [value("y", rows)],
    constants: [constant],
  });
  const [x, y] = [zeros(1), zeros(rows)];
  const use = () => {
    const session = ort.createSession(add, options);
    session.run([x], [y]);
    session[Symbol.dispose]();
    session[Symbol.dispose](); // Once more does nothing.
    return session;
  };
  use();
  const before = Deno.memoryUsage().rss;
  for (let k = 0; k < 100; k++) use(); // Of 4 MiB, which a session holds twice.
  const growth = Deno.memoryUsage().rss - before;
  assert(growth < 2e8, `${growth} bytes more`);
  assertThrows(() => use().run([x], [y]), Error, "Cannot run test: it was disposed of");
});

Deno.test("a profile names every operation", async () => {
  await withFolder((folder) => {
    const session = ort.createSession(product, { ...options, profile: join(folder, "profile") });
    session.run([zeros(256, 256), zeros(256, 1)], [zeros(256, 1)]);
    const path = session.endProfile();
    assertStringIncludes(path, folder);
    const events = JSON.parse(Deno.readTextFileSync(path)) as { args?: { op_name?: string } }[];
    assert(events.some(({ args }) => args?.op_name === "MatMul"));
    return Promise.resolve();
  });
});

/** A folder like the npm package's, with a library of the caller's. */
async function withPackage(version: string, put: (path: string) => Promise<void>, use: (folder: string) => void) {
  await withFolder(async (folder) => {
    const path = join(folder, libraryPath("."));
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(join(folder, "package.json"), JSON.stringify({ version }));
    await put(path);
    use(folder);
  });
}

const opening = (wanted: string) => (folder: string) => {
  const { message } = assertThrows(() => openOrt(folder), Error, wanted);
  assert(message.endsWith("; delete node_modules, and the next command installs it again"), message);
};

Deno.test("openOrt() says what is wrong with a library: missing, or of another version than the package", async () => {
  await withPackage(ort.api.version, async () => {}, opening("Could not open library"));
  const put = (path: string) => Deno.symlink(libraryPath(findPackage()), path);
  await withPackage(
    "1.2.3",
    put,
    opening(`the library must be of version 1.2.3, current version is ${ort.api.version}`),
  );
});

/** A library whose table of functions is of C's making. */
const compileTable = (source: string) => async (path: string) => {
  const file = `${path}.c`;
  await Deno.writeTextFile(file, source);
  const { success, stderr } = await new Deno.Command("cc", { args: ["-shared", "-fPIC", "-o", path, file] }).output();
  assert(success, new TextDecoder().decode(stderr));
};

Deno.test({
  name: "openOrt() says what is wrong with a library that has no such table of functions",
  ignore: !await hasCompiler(),
  async fn() {
    const base = (getApi: string) => `
      static const void *getApi(unsigned version) { return ${getApi}; }
      static const char *getVersion(void) { return "1.2.3"; }
      static const struct { const void *(*a)(unsigned); const char *(*b)(void); } base = { getApi, getVersion };
      const void *OrtGetApiBase(void) { return &base; }`;
    const old = compileTable(base("version > 20 ? 0 : &getApi"));
    await withPackage("1.2.3", old, opening("version 1.2.3 of the library has no API of version 24"));
    await withPackage("1.2.3", compileTable("int other;"), opening("OrtGetApiBase"));
  },
});
