/**
 * What a GIF says of itself: its blocks, one after the other.
 *
 * @module
 */

import { assertEquals } from "@std/assert";

/** Width, height and number of a GIF's pictures, and how long all of them are shown. */
export function readGif(bytes: Uint8Array) {
  assertEquals(new TextDecoder().decode(bytes.slice(0, 6)), "GIF89a");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const table = (flags: number) => flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;
  let [at, pictures, durationMs] = [13 + table(bytes[10]), 0, 0];
  const skipBlocks = () => {
    while (bytes[at] !== 0) at += bytes[at] + 1;
    at++;
  };
  while (bytes[at] !== 0x3b) {
    if (bytes[at] === 0x21) {
      if (bytes[at + 1] === 0xf9) durationMs += 10 * view.getUint16(at + 4, true);
      at += 2;
    } else {
      pictures++;
      at += 11 + table(bytes[at + 9]);
    }
    skipBlocks();
  }
  return { width: view.getUint16(6, true), height: view.getUint16(8, true), pictures, durationMs };
}
