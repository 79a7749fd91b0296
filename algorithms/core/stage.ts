/**
 * Long work in steps.
 *
 * @module
 */

/** A step of long work whose result, a tree of arrays, may be kept and read back by name. */
export type Stage = <T>(name: string, compute: (onProgress: (share: number) => void) => Promise<T>) => Promise<T>;
