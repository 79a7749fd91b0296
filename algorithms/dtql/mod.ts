/**
 * DTQL and DQL-KL.
 *
 * @module
 */

export * from "./config.ts";
export { createDqlKl, dqlKl } from "./dql_kl.ts";
export { createDtql, dtql } from "./dtql.ts";
export * from "./losses.ts";
export * from "./networks.ts";
