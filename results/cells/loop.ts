/**
 * A training with everything that it leaves on its way: means of its metrics, scores, checkpoints.
 *
 * @module
 */

import type { AgentState } from "../../algorithms/core/agent.ts";
import type { Rng } from "../../algorithms/core/rng.ts";
import { type Training, trainingStates } from "../../algorithms/core/train.ts";
import type { MetricsLog } from "./metrics.ts";
import { type Identity, resume, type Resumed, saveCheckpoint } from "./run_folder.ts";

/**
 * Metrics are averaged over windows: this many in a training, or more where each would be of more than so many updates. Checkpoints
 * are written at windows' ends, so that a resumed training logs what an uninterrupted one does.
 */
const [windows, longestWindow] = [100, 500];

/** What a training is and what is done with it. */
export interface LoopOptions<B extends object> {
  training: Training<B>;
  rng: Rng;
  /** What is trained, for messages. */
  label: string;
  /** Where it is kept; null keeps nothing. */
  kept:
    | { folder: string; identity: Identity; openMetrics(updates: number): Promise<MetricsLog>; checkpointMs: number }
    | null;
  /** Means over a window, at its end. */
  onMetrics(update: number, means: Record<string, number>): void;
  /** Updates between calls of `evaluate`, which the last update always has. @default none */
  evaluateEvery?: number;
  /** Called with the state at such an update, before a checkpoint has it; again if training goes on from there. */
  evaluate?(state: AgentState): Promise<void>;
  /** Aborting it ends the training with an error; what was kept stays. */
  signal?: AbortSignal;
}

/** Averages metrics by name, each over the updates that gave it. */
function createMeans() {
  let sums = new Map<string, [sum: number, count: number]>();
  return {
    add(metrics: Record<string, number>) {
      for (const [name, value] of Object.entries(metrics)) {
        const [sum, count] = sums.get(name) ?? [0, 0];
        sums.set(name, [sum + value, count + 1]);
      }
    },
    take(): Record<string, number> {
      const means = Object.fromEntries([...sums].map(([name, [sum, count]]) => [name, sum / count]));
      sums = new Map();
      return means;
    },
  };
}

/** Trains to the end, from the last checkpoint if there is one. */
export async function runLoop<B extends object>(options: LoopOptions<B>): Promise<Resumed> {
  const { training, rng, label, kept, signal, evaluate, evaluateEvery = Infinity } = options;
  const total = training.updates;
  const fresh = training.init(rng.child("init"));
  let now: Resumed = kept ? await resume(kept.folder, fresh, kept.identity) : { state: fresh, trainingMs: 0 };
  const log = await kept?.openMetrics(now.state.updates);
  const every = Math.min(Math.max(Math.floor(total / windows), 1), longestWindow);
  const scoresAt = (updates: number) => updates % evaluateEvery === 0 || updates === total;
  if (evaluate && now.state.updates > 0 && scoresAt(now.state.updates)) await evaluate(now.state); // If it was stopped before.
  const means = createMeans();
  let [last, lastSave] = [performance.now(), performance.now()];
  for await (const { state, metrics } of trainingStates(training, rng, now.state, label)) {
    signal?.throwIfAborted();
    means.add(metrics);
    const { updates } = state;
    const time = performance.now();
    now = { state, trainingMs: now.trainingMs + time - last };
    last = time;
    const isLast = updates === total;
    const endsWindow = updates % every === 0 || isLast;
    if (endsWindow) {
      const window = means.take();
      await log?.append(updates, window);
      options.onMetrics(updates, window);
    }
    if (evaluate && scoresAt(updates)) await evaluate(state);
    if (kept && endsWindow && (scoresAt(updates) || time - lastSave >= kept.checkpointMs)) {
      await saveCheckpoint(kept.folder, label, now, kept.identity);
      lastSave = performance.now();
    }
    last = performance.now();
  }
  return now;
}
