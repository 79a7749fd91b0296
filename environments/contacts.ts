/**
 * Contacts of models that were written for MuJoCo before 3.5.0, which took the larger margin of two geoms where today's takes
 * their sum.
 *
 * @module
 */

import type { MainModule, MjModel, MjSpec } from "@mujoco/mujoco";

/** Two geoms by their numbers, the lower first. */
export type GeomPair = readonly [number, number];

/** All pairs of geoms that MuJoCo tests for contact, but those that the model lists itself. */
export function collidablePairs(mujoco: MainModule, model: MjModel): GeomPair[] {
  const [types, affinities, bodies, welded, parents, excluded, first, second] = [
    model.geom_contype,
    model.geom_conaffinity,
    model.geom_bodyid,
    model.body_weldid,
    model.body_parentid,
    model.exclude_signature,
    model.pair_geom1,
    model.pair_geom2,
  ] as Int32Array[];
  const parentsToo = (model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_FILTERPARENT.value) !== 0;
  const listed = new Set(Array.from(first, (i, k) => `${Math.min(i, second[k])} ${Math.max(i, second[k])}`));
  const apart = new Set(excluded); // Bodies: 2^16 times the one, plus the other.
  const touch = (i: number, j: number) => {
    if (!(types[i] & affinities[j]) && !(types[j] & affinities[i])) return false;
    const [a, b] = [bodies[i], bodies[j]];
    const [wa, wb] = [welded[a], welded[b]];
    if (wa === wb || apart.has(a * 2 ** 16 + b) || apart.has(b * 2 ** 16 + a)) return false;
    const related = wa === welded[parents[wb]] || wb === welded[parents[wa]];
    return parentsToo || wa === 0 || wb === 0 || !related;
  };
  const pairs: GeomPair[] = [];
  for (let j = 0; j < types.length; j++) {
    for (let i = 0; i < j; i++) if (!listed.has(`${i} ${j}`) && touch(i, j)) pairs.push([i, j]);
  }
  return pairs;
}

/**
 * Margins whose sums are the larger of the `old` ones, and the pairs for which there is none: half of the largest that any of
 * a geom's pairs had.
 */
export function addMargins(
  old: ArrayLike<number>,
  pairs: readonly GeomPair[],
): { margins: Float64Array; rest: GeomPair[] } {
  const margins = Float64Array.from(old, (m) => m / 2);
  const larger = ([i, j]: GeomPair) => Math.max(old[i], old[j]);
  for (const pair of pairs) for (const i of pair) margins[i] = Math.max(margins[i], larger(pair) / 2);
  return { margins, rest: pairs.filter(([i, j]) => margins[i] + margins[j] !== larger([i, j])) };
}

/** Lists a pair in a specification, with the parameters that MuJoCo mixes for two geoms of the compiled model. */
export function listPair(mujoco: MainModule, spec: MjSpec, model: MjModel, [i, j]: GeomPair, margin: number) {
  const pair = mujoco.mjs_addPair(spec, mujoco.mjs_getSpecDefault(spec)!)!;
  [pair.geomname1, pair.geomname2] = [i, j].map((g) => mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_GEOM.value, g));
  const [dims, priorities] = [model.geom_condim, model.geom_priority] as Int32Array[];
  const [weights, frictions, references, impedances] = [
    model.geom_solmix,
    model.geom_friction,
    model.geom_solref,
    model.geom_solimp,
  ] as Float64Array[];
  const share = weights[i] + weights[j] > 0 ? weights[i] / (weights[i] + weights[j]) : 0.5;
  const alone = Math.sign(priorities[i] - priorities[j]); // Which of the two decides; 0: both.
  const row = (all: Float64Array, width: number, combine: (a: number, b: number) => number) =>
    Array.from({ length: width }, (_, k) => {
      const [a, b] = [all[width * i + k], all[width * j + k]];
      return alone > 0 ? a : alone < 0 ? b : combine(a, b);
    });
  const mix = (a: number, b: number) => share * a + (1 - share) * b;
  const [slide, spin, roll] = row(frictions, 3, Math.max);
  pair.friction.set([slide, slide, spin, roll, roll]);
  pair.solref.set(row(references, 2, references[2 * i] > 0 && references[2 * j] > 0 ? mix : Math.min));
  pair.solimp.set(row(impedances, 5, mix));
  pair.condim = row(Float64Array.from(dims), 1, Math.max)[0];
  pair.margin = margin;
}
