/**
 * A worker that reads rows of HDF5 datasets.
 *
 * @module
 */

import { type ReadMessage, readRows, type ReadTask } from "./hdf5.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ReadTask>) => void;
  postMessage(message: ReadMessage, transfer?: Transferable[]): void;
};

scope.onmessage = async ({ data: task }) => {
  try {
    const rows = await readRows(task);
    scope.postMessage(rows, [rows.buffer]);
  } catch (error) {
    scope.postMessage({ message: error instanceof Error ? error.message : String(error) });
  }
};
scope.postMessage("up");
