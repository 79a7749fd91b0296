/**
 * A compiled function for several runs at once on the CPU.
 *
 * @module
 */

import { type NdArray, ndarray } from "./array.ts";
import { schedule } from "./node_order.ts";
import { type Entries, isApart, tracePacked } from "./packed_graph.ts";
import { withRuns } from "./run_axis.ts";
import { createSession } from "./runtime.ts";
import { type Shape, sizeOf } from "./shape.ts";
import { packing } from "./state_buffers.ts";
import type { Traced } from "./tensor.ts";
import { treeLike } from "./tree.ts";
import type { RunCalls } from "./together.ts";

/**
 * Builds a function for calls by so many runs, whose arrays are copied into arrays of all runs.
 *
 * @param entries Leaves of `inputs`.
 */
export async function buildTogether<I>(
  name: string,
  fn: (inputs: Traced<I>) => unknown,
  inputs: I,
  entries: Entries,
  runs: number,
): Promise<RunCalls> {
  const given = packing(entries);
  const { graph, structure, outputs, outputPackings } = tracePacked(
    name,
    fn,
    inputs,
    entries,
    [given],
    (found) => [packing(found)],
  );
  const [made] = outputPackings;
  const session = await createSession(schedule(withRuns(graph, runs)));
  const [ownIn, ownOut] = [
    entries.flatMap((_, i) => isApart([given], i) ? [i] : []),
    outputs.flatMap((_, i) => isApart(outputPackings, i) ? [i] : []),
  ];
  const newArray = (shape: Shape, dtype: string): NdArray => {
    const size = runs * sizeOf(shape);
    return ndarray(dtype === "int32" ? new Int32Array(size) : new Float32Array(size), [runs, ...shape]);
  };
  return async (calls) => {
    const own = ownIn.map((i) => {
      const [, { shape, dtype }] = entries[i];
      const all = newArray(shape, dtype);
      calls.forEach(({ leaves }, run) => all.data.set(leaves[i].data, run * sizeOf(shape)));
      return all;
    });
    const vector = newArray([given.length], "float32");
    calls.forEach(({ leaves }, run) =>
      given.offsets.forEach((offset, i) =>
        offset !== undefined && vector.data.set(leaves[i].data, run * given.length + offset)
      )
    );
    const apart = ownOut.map((i) => newArray(outputs[i][1].shape, outputs[i][1].dtype));
    const together = newArray([made.length], "float32");
    await session.run([...own, vector], [...apart, together]);
    return calls.map((_, run) => {
      let next = 0;
      const results = outputs.map(([, { shape }], i): NdArray => {
        const [size, offset] = [sizeOf(shape), made.offsets[i]];
        const { data } = offset === undefined ? apart[next++] : together;
        const start = offset === undefined ? run * size : run * made.length + offset;
        return { shape, data: data.subarray(start, start + size) };
      });
      return treeLike<NdArray, unknown>(structure, results);
    });
  };
}
