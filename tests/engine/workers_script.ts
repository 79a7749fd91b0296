/**
 * Rounds of two workers and the main thread that run sessions at once; the workers are terminated at random moments.
 *
 * @module
 */

import { layers, type Order } from "./session_worker.ts";

const rounds = Number(Deno.args[0]);
const sums = layers();
const { value: wanted } = await sums.next();

function startWorker() {
  const worker = new Worker(new URL("./session_worker.ts", import.meta.url), { type: "module" });
  let heard = 0;
  const busy = new Promise<void>((resolve) =>
    worker.onmessage = ({ data }) => {
      if (data === "up") worker.postMessage({ route: "library", work: "forever" } satisfies Order);
      else if (data !== wanted) throw new Error(`a worker's sum is ${data}, wanted ${wanted}`);
      else if (++heard === 2) resolve();
    }
  );
  return { worker, busy };
}

for (let round = 0; round < rounds; round++) {
  const workers = [startWorker(), startWorker()];
  const patience = round % 4 === 0 ? 300 * Math.random() : Infinity; // Some end while they start.
  let isBusy = false;
  const all = Promise.all(workers.map(({ busy }) => busy)).then(() => isBusy = true);
  for (const start = performance.now(); !isBusy && performance.now() - start < patience;) {
    const { value } = await sums.next();
    if (value !== wanted) throw new Error(`the main thread's sum is ${value}, wanted ${wanted}`);
  }
  if (isBusy) await all;
  await new Promise((resolve) => setTimeout(resolve, 5 * Math.random()));
  for (const { worker } of workers) worker.terminate();
}
console.log(`${rounds} rounds, all right`);
Deno.exit(0);
