/**
 * A run of a session, for what it takes and says in a process of its own.
 *
 * @module
 */

import { ndarray } from "../../algorithms/engine/array.ts";
import { createSession } from "../../algorithms/engine/runtime.ts";

const value = (name: string) => ({ name, shape: [2], dtype: "float32" as const });
const session = await createSession({
  name: "negation",
  nodes: [{ op: "Neg", inputs: ["x"], outputs: ["y"], attributes: {} }],
  inputs: [value("x")],
  outputs: [value("y")],
  constants: [],
});
const [x, y] = [ndarray([1, 2], [2]), ndarray([0, 0], [2])];
await session.run([x], [y]);
console.log(y.data.join());
