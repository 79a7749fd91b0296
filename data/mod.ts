/**
 * Datasets: D4RL's and Minari's files, local ones made here, and two-dimensional bandits.
 *
 * @module
 */

export * from "./ant_walker.ts";
export * from "./bandits.ts";
export * from "./behaviours.ts";
export * from "./card.ts";
export * from "./catalog.ts";
export * from "./d4rl.ts";
export * from "./dataset.ts";
export * from "./show/display.ts";
export * from "./fetch.ts";
export * from "./show/figure.ts";
export * from "./frames.ts";
export * from "./hdf5.ts";
export * from "./local.ts";
export * from "./pairs.ts";
export * from "./recipes.ts";
export * from "./rows.ts";
export * from "./show/arrow.ts";
export * from "./show/table.ts";
export * from "./trajectories.ts";
export * from "./waypoints.ts";
