/**
 * DTQL and DQL-KL.
 *
 * @module
 */

export * from "./config.ts";
export { createDqlKl, createDtql, dqlKl, dtql } from "./dtql.ts";
export * from "./networks.ts";
