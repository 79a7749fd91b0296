/**
 * Words for the grid.
 *
 * @module
 */

/** Teachers in words. */
export const teacherTitles = {
  ddpm: "DDPM",
  edm: "EDM",
  vp: "VP score",
  flow: "Flow",
  none: "None (data)",
} as const;
