/**
 * Labels beside points, placed so that none covers another, a point or a bar.
 *
 * @module
 */

import { textWidth } from "./letters.ts";

/** A point in pixels, the y axis downwards, with its label. */
export interface Labelled {
  x: number;
  y: number;
  label: string;
  /** A bar through it, such as of an interval, in pixels. */
  bar?: readonly [top: number, bottom: number];
}

/** Where a label's middle goes. */
export interface Placed {
  x: number;
  y: number;
  /** What of the label is nearest to its point, for a line between the two where they are far apart. */
  near: { x: number; y: number };
}

/** A part of a panel, in pixels. */
export interface Rectangle {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** How far a rectangle is from a point. */
const distance = ({ left, right, top, bottom }: Rectangle, { x, y }: { x: number; y: number }) =>
  Math.hypot(Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom));

const overlap = (a: Rectangle, b: Rectangle): number =>
  Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) *
  Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));

/**
 * Middles of labels within a panel: each takes the nearest place, right, left, above or below first, that covers least of what is
 * there.
 *
 * @param width The panel's, in pixels.
 * @param fontSize Of the labels, in pixels.
 * @param obstacles What else must stay free, such as lines.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { placeLabels } from "./labels.ts";
 * const [a, b] = placeLabels([{ x: 50, y: 50, label: "one" }, { x: 52, y: 51, label: "two" }], 200, 100, 10);
 * assert(Math.abs(a.y - b.y) >= 10 || Math.abs(a.x - b.x) >= 18); // Neither covers the other.
 * ```
 */
export function placeLabels(
  points: readonly Labelled[],
  width: number,
  height: number,
  fontSize: number,
  obstacles: readonly Rectangle[] = [],
): Placed[] {
  const taken: Rectangle[] = points.flatMap(({ x, y, bar }) => [
    { left: x - 4, right: x + 4, top: y - 4, bottom: y + 4 },
    ...(bar ? [{ left: x - 1, right: x + 1, top: bar[0], bottom: bar[1] }] : []),
  ]);
  taken.push(...obstacles);
  const placed: Placed[] = new Array(points.length);
  // Crowded ones choose first: they have fewest places.
  const crowd = (p: Labelled) => points.filter((q) => Math.hypot(p.x - q.x, p.y - q.y) < 60).length;
  const order = points.map((_, i) => i).sort((a, b) => crowd(points[b]) - crowd(points[a]));
  for (const i of order) {
    const { x, y, label } = points[i];
    const [w, h] = [textWidth(label, fontSize) / 2 + 1, fontSize / 2 + 1];
    let best: { cost: number; at: { x: number; y: number }; box: Rectangle } | null = null;
    for (let ring = 0; ring < 6; ring++) {
      for (let k = 0; k < 16; k++) {
        const angle = Math.PI * k / 8;
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        const away = 6 + 7 * ring;
        const at = { x: x + cos * (away + w), y: y + sin * (away + h) };
        const box = { left: at.x - w, right: at.x + w, top: at.y - h, bottom: at.y + h };
        const outside = Math.max(0, -box.left) + Math.max(0, box.right - width) + Math.max(0, -box.top) +
          Math.max(0, box.bottom - height);
        const straight = Math.min(Math.abs(cos), Math.abs(sin)); // Right beside reads best.
        const covered = taken.reduce((sum, other) => sum + overlap(box, other), 0);
        const own = distance(box, points[i]);
        const nearer = points.filter((other) => distance(box, other) < own - 0.5).length; // It would seem theirs.
        const cost = 40 * nearer + 20 * outside + 5 * covered + 6 * ring + 4 * straight + (cos > 0.9 ? 0 : 1);
        if (best === null || cost < best.cost) best = { cost, at, box };
      }
    }
    const { at, box } = best!;
    const within = (low: number, value: number, high: number) => Math.min(Math.max(low, value), high);
    placed[i] = { ...at, near: { x: within(box.left, x, box.right), y: within(box.top, y, box.bottom) } };
    taken.push(box);
  }
  return placed;
}
