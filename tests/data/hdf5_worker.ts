/**
 * Reads a file in a process of its own, and says what came of it: `hdf5_worker.ts <path>`.
 *
 * @module
 */

import { readHdf5 } from "../../data/hdf5.ts";

console.log(await readHdf5(Deno.args[0]).then(({ arrays }) => [...arrays.keys()].join(), (error) => error.message));
