/**
 * Widths of text in DejaVu Sans, where no canvas can measure it.
 *
 * @module
 */

/** Shares of the size, by kinds of letters; of the font's own advance widths, rounded up. */
const shares: readonly (readonly [RegExp, number])[] = [
  [/[ijl'.,:;|!]/, 0.34],
  [/[ ftrI()[\]"/-]/, 0.4],
  [/[mwMW%@×]/, 0.98],
  [/[A-Z]/, 0.7],
];

/**
 * About how wide a line of text is, in pixels; rather too wide than too narrow.
 *
 * @param fontSize In pixels.
 */
export const textWidth = (text: string, fontSize: number): number =>
  fontSize * [...text].reduce((sum, letter) => sum + (shares.find(([kind]) => kind.test(letter))?.[1] ?? 0.64), 0);
