/**
 * Pictures of one size, one after the other, as a GIF.
 *
 * @module
 */

import { applyPalette, GIFEncoder, quantize } from "gifenc";

/** A GIF that is being written. */
export interface Gif {
  /** Adds a picture, `[height, width, 4]`, and how long it is shown; GIF counts in hundredths of a second. */
  add(pixels: Uint8ClampedArray, durationMs: number): void;
  /** Ends it and gives it. */
  end(): Uint8Array<ArrayBuffer>;
}

/** Starts a GIF; its 64 colours are those of the first picture. */
export function createGif(width: number, height: number): Gif {
  const gif = GIFEncoder();
  let palette: number[][] | null = null;
  return {
    add(pixels, durationMs) {
      palette ??= quantize(pixels, 64);
      gif.writeFrame(applyPalette(pixels, palette), width, height, { palette, delay: durationMs });
    },
    end() {
      gif.finish();
      return gif.bytes() as Uint8Array<ArrayBuffer>;
    },
  };
}
