/**
 * Denormal numbers in the main thread, in a worker that was there before the process's first session, and in one that came after it.
 *
 * @module
 */

import { openPolicy } from "../../algorithms/engine/open_policy.ts";
import { type Route, useRoute } from "../../algorithms/engine/runtime.ts";
import { type Found, multiplyTiny, type Order } from "./session_worker.ts";

function startWorker(route: Route) {
  const worker = new Worker(new URL("./session_worker.ts", import.meta.url), { type: "module" });
  const next = <T>() => new Promise<T>((resolve) => worker.onmessage = ({ data }) => resolve(data));
  return {
    up: next(),
    async ask(): Promise<Found> {
      const answer = next<Found>();
      worker.postMessage({ route, work: "denormal" } satisfies Order);
      return await answer.finally(() => worker.terminate());
    },
  };
}

const [route, first] = Deno.args as [Route, string];
await useRoute(route);
const early = startWorker(route);
await early.up;
if (first === "policy") {
  await openPolicy(
    await Deno.readFile(new URL("../../results/gallery/policies/hopper-srpo/policy.onnx", import.meta.url)),
  );
}
const main = await multiplyTiny();
const late = startWorker(route);
await late.up;
console.log(JSON.stringify({ main, early: await early.ask(), late: await late.ask() }));
