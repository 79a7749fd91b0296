/**
 * Agents whose networks see normalized observations.
 *
 * @module
 */

import { type NdArray, ndarray } from "../engine/array.ts";
import { withMappedInput } from "../engine/export_onnx.ts";
import { tf } from "../engine/tensor.ts";
import type { Agent, Algorithm, Spec } from "./agent.ts";
import type { CommonConfig } from "./config.ts";
import { normalizeObservations, observationScale, type ObservationStatistics } from "./normalization.ts";

/** Agents that normalize what they are given. */
const normalizing = new WeakSet<Agent>();

/** The statistics, or why there is no agent without them. */
export function neededStatistics(title: string, { observationStatistics }: Spec): ObservationStatistics {
  if (observationStatistics) return observationStatistics;
  throw new TypeError(
    `Cannot create ${title}: it normalizes observations, so spec.observationStatistics must be given; see observationStatistics()`,
  );
}

/**
 * An agent that takes raw observations, of one that `create` makes for normalized ones, where the settings ask for it
 * ({@linkcode CommonConfig.normalizeObservations}); otherwise the agent as it is made. Algorithms made by {@linkcode checked} do this
 * by themselves.
 *
 * Ours: the published settings of most algorithms take raw observations.
 *
 * @throws {TypeError} If the spec has no statistics of the observations.
 */
export function normalizedAgent<C extends CommonConfig>(
  title: string,
  config: C,
  spec: Spec,
  create: (config: C, spec: Spec) => Agent,
): Agent {
  if (!config.normalizeObservations) return create(config, spec);
  const statistics = neededStatistics(title, spec);
  const made = create(config, spec);
  if (normalizing.has(made)) return made;
  const normalize = ({ data, shape }: NdArray) =>
    ndarray(normalizeObservations(data as Float32Array, statistics), shape);
  const row = (x: ArrayLike<number>) => tf.tensor(Float32Array.from(x), [1, spec.observationDim]);
  const exported = <T>(make: () => T): T =>
    withMappedInput("observation", (x) => {
      return tf.div(tf.sub(x, row(statistics.mean)), row(observationScale(statistics)));
    }, make);
  const { createActor, exportDenoiser, startActing } = made;
  const agent: Agent = {
    ...made,
    update: (state, batch, rng) =>
      made.update(state, {
        ...batch,
        observation: normalize(batch.observation),
        nextObservation: normalize(batch.nextObservation),
      }, rng),
    act: (state, observation, candidates, rng) => made.act(state, normalize(observation), candidates, rng),
    ...(startActing && {
      startActing(state, episodes, rng) {
        const act = startActing(state, episodes, rng);
        return (observation) => act(normalize(observation));
      },
    }),
    exportPolicy: (state) => exported(() => made.exportPolicy(state)),
    ...(exportDenoiser && { exportDenoiser: (state) => exported(() => exportDenoiser(state)) }),
    ...(createActor && {
      createActor(state, rng) {
        const [act, mean, scale] = [createActor(state, rng), statistics.mean, observationScale(statistics)];
        const normalized = new Float32Array(spec.observationDim);
        return (observation) => {
          for (let i = 0; i < normalized.length; i++) normalized[i] = (observation[i] - mean[i]) / scale[i];
          return act(normalized);
        };
      },
    }),
  };
  normalizing.add(agent);
  return agent;
}

/** An agent of any algorithm, with observations normalized where the settings ask for it. */
export const createAgent = <C extends CommonConfig>(algorithm: Algorithm<C>, config: C, spec: Spec): Agent =>
  normalizedAgent(algorithm.title, config, spec, (config, spec) => algorithm.create(config, spec));

/** Says that an agent normalizes what it is given, by itself. */
export function normalizesItself(agent: Agent): Agent {
  normalizing.add(agent);
  return agent;
}
