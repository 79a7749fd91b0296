/**
 * What the papers say of the time per action.
 *
 * @module
 */

import { timesFaster } from "../../scores/measures.ts";
import type { Claim } from "../experiment.ts";
import { latencies } from "./section.ts";
import type { Latency } from "./study.ts";

/** The claims. */
export const speedClaims: readonly Claim<Latency[]>[] = [
  {
    id: "dtql-faster",
    paper: "dtql",
    claim: "One-step DTQL acts faster than iterative Diffusion-QL: ratio of times",
    source: "own comparison",
    mark: "ours",
    quoted: "no verified number",
    protocol: "one candidate each, batch 1, on this machine; the paper: a GPU",
    atLeast: 1,
    measure: (runs) =>
      timesFaster(latencies(runs), { algorithm: "dtql", rule: "own" }, { algorithm: "diffusion_ql", rule: "own" }),
  },
  {
    id: "srpo-25-times-faster",
    paper: "srpo",
    claim: "Sampling an action is more than 25 times faster than with diffusion policies: ratio of times",
    source: "abstract",
    mark: "paper",
    quoted: "more than 25",
    protocol:
      "SRPO's own behaviour network with 15 calls of DPM-Solver, batch 1, on this machine; the paper: other methods' networks on a GPU",
    atLeast: 25,
    measure: (runs) =>
      timesFaster(latencies(runs), { algorithm: "srpo", rule: "own" }, { algorithm: "srpo", rule: "15 calls, dpmpp2" }),
  },
];
