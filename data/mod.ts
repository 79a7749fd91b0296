/**
 * Datasets: D4RL-layout HDF5 files, local ones made here, and two-dimensional bandits.
 *
 * @module
 */

export * from "./bandits.ts";
export * from "./d4rl.ts";
export * from "./hdf5.ts";
export * from "./local.ts";
