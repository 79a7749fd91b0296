/**
 * Profiles: named amounts of work. What each runs stands in the experiments' plans.
 *
 * @module
 */

import type { ProfileName } from "./experiments/experiment.ts";

/** What the profiles are, in words. */
export const profiles: Readonly<Record<ProfileName, string>> = {
  smoke: "everything once, far too short to learn, so its verdicts mean nothing; under 2 minutes",
  quick: "scaled-down networks and budgets on local data; under 10 minutes on 2 cores",
  standard:
    "every method on equal terms on local data: normalized observations, width 128, batches of 256, three seeds, learning curves; hours on 2 cores",
  full: "the papers' networks on local data, three seeds; days on 2 cores",
  paper: "the papers' budgets on D4RL's data, which are downloaded; five seeds; months on 2 cores, so for a cluster",
};
