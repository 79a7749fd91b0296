import { assert, assertEquals } from "@std/assert";
import { algorithms } from "../algorithms/small.ts";
import { withFolder } from "../folder.ts";
import { runScript } from "./gpu_process.ts";
import type { Found } from "./gpu_script.ts";

const hasGpu = await runScript(["open", "gpu"]) === "gpu";

/** All small, and some with weights that lie apart: those that pass weights through, have targets, phases, frozen networks. */
const cases = [
  ...Object.keys(algorithms).map((name) => `${name}:16`),
  ...["td3_bc", "diffusion_ql", "srpo"].map((name) => `${name}:160`),
];
let found: Promise<Map<string, Found>> | undefined;
const findAll = async () => {
  const lines = (await runScript(["algorithms", ...cases])).split("\n");
  return new Map(lines.map((line) => JSON.parse(line)).map(({ name, ...rest }) => [name as string, rest as Found]));
};

for (const name of cases) {
  Deno.test({
    name: `${name} trains on backend gpu as on onnx, all of it on the GPU`,
    ignore: !hasGpu,
    async fn() {
      const { weights, metrics, sameCaptured, sameResumed, wentOn, up, down, providers, acts } =
        (await (found ??= findAll())).get(name)!;
      // Adam divides by the root of small moments, so that rounding moves a weight by up to a few times the learning rate.
      assert(weights <= 1e-3, `a weight differs by ${weights}`);
      assert(metrics <= 1e-4, `a metric differs by ${metrics}`);
      assert(wentOn <= 1e-3, `gone on with on the CPU, a weight differs by ${wentOn}`);
      assert(sameCaptured, "captured runs differ from plain ones");
      assert(sameResumed, "a training that went on from a checkpoint differs from one that did not stop");
      assertEquals(Object.keys(providers), ["WebGpuExecutionProvider"]);
      assertEquals(down, 0, "metrics that nobody reads are not fetched, and the state stays where it is");
      assert(up >= 1 && up <= 40, `${up} arrays go up at an update`);
      assert(acts);
    },
  });
}

Deno.test({
  name: "train() on backend gpu goes on from its folder in the same bytes, and says on which GPU",
  ignore: !hasGpu,
  fn: () =>
    withFolder(async (folder) => {
      const { same, copied, cloned, gpu, recorded, backend } = JSON.parse(await runScript(["folders", folder]));
      assertEquals({ same, copied, cloned, backend }, { same: true, copied: true, cloned: true, backend: "gpu" });
      assert(gpu.length > 0);
      assertEquals(recorded, gpu);
    }),
});

Deno.test({
  name:
    "train() with seeds on backend gpu trains them together as each alone, scores them, and goes on in the same bytes",
  ignore: !hasGpu,
  fn: () =>
    withFolder(async (folder) => {
      const { same, weights, apart, points } = JSON.parse(await runScript(["seeds", folder]));
      assert(same, "seeds that went on from their folders differ from those that did not stop");
      assert(weights <= 1e-3, `a weight differs by ${weights} from that of the seed alone`); // As from the CPU's.
      assert(apart > 1e-3, "all seeds are the same");
      assertEquals(points, [10, 20, 10, 20, 10, 20]);
    }),
});
