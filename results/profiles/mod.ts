/**
 * What `reproduce` runs.
 *
 * @module
 */

import { full } from "./full.ts";
import { paper } from "./paper.ts";
import type { Profile } from "./profile.ts";
import { quick } from "./quick.ts";
import { smoke } from "./smoke.ts";

export * from "./profile.ts";

/** All profiles by name. */
export const profiles: Readonly<Record<string, Profile>> = { smoke, quick, full, paper };
