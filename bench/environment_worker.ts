/**
 * Steps HalfCheetah as often as it is told.
 *
 * @module
 */

import { createEnvironment, halfCheetah } from "../environments/mod.ts";

const scope = self as unknown as { onmessage: (event: MessageEvent<number>) => void; postMessage(text: string): void };
const env = await createEnvironment(halfCheetah);
const actions = Array.from(
  { length: 64 },
  (_, i) => Float64Array.from({ length: 6 }, (_, j) => Math.sin((6 * i + j) ** 2)),
);

scope.onmessage = ({ data: steps }) => {
  env.reset(0);
  for (let i = 0; i < steps; i++) if (env.step(actions[i % 64]).truncated) env.reset(i);
  scope.postMessage("done");
};
scope.postMessage("up");
