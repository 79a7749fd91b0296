import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { film } from "../../../results/policies/video/film.ts";
import { resultsFolder } from "../../../tools/paths.ts";
import { browserPath } from "../../browser.ts";
import { withFolder } from "../../folder.ts";
import { readGif } from "../../gif.ts";

const policies = join(resultsFolder, "gallery", "policies");

Deno.test({
  name: "film() writes a GIF, a WebM and a strip of a policy beside its diffusion model, and says how fast each thinks",
  ignore: browserPath === null,
  fn: () =>
    withFolder(async (out) => {
      const parts = await film([join(policies, "hopper-srpo")], out, { calls: 20, seconds: 1, seed: 0 });
      assertEquals(parts.map(({ words }) => words[0]), ["SRPO, one step", "SRPO's diffusion model, 20 steps"]);
      assert(parts.every(({ words, metres }) => /^thinking [\d.]+ ms/.test(words[1]) && Number.isFinite(metres)));
      const [gif, webm, png] = await Promise.all(
        ["film.gif", "film.webm", "strip.png"].map((name) => Deno.readFile(join(out, name))),
      );
      assertEquals(readGif(gif), { width: 640, height: 305, pictures: 13, durationMs: 1040 });
      assert(gif.length < 600_000, "5 s of it stay under 3 MB");
      assertEquals([...webm.slice(0, 4)], [0x1a, 0x45, 0xdf, 0xa3]);
      assertEquals(new DataView(png.buffer).getUint32(16), 6 * 320);
    }),
});

Deno.test("film() refuses two tasks, and calls that the diffusion model has no noise levels for", async () => {
  const of = (names: string[], calls: number) =>
    film(names.map((name) => join(policies, name)), "nowhere", { calls, seconds: 1, seed: 0 });
  await assertRejects(() => of(["hopper-srpo", "halfcheetah-srpo"], 0), RangeError, "must be of one task");
  await assertRejects(() => of(["hopper-srpo"], 17), RangeError, "--calls must be one of 1, 2, 3");
});
