/**
 * Shapes: lengths of axes.
 *
 * @module
 */

/** Lengths of axes. */
export type Shape = readonly number[];

/** Elements of a shape. */
export const sizeOf = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

/** Whether two shapes are equal. */
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);
