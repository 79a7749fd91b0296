/**
 * The teachers of the grid as policies: what their students are compared with.
 *
 * @module
 */

import {
  bridged,
  type BridgedConfig,
  createBridged,
  createTeacher,
  teacherEnd,
  teacherNetwork,
  type TimedNetwork,
} from "../../../algorithms/bridges/mod.ts";
import type { Algorithm } from "../../../algorithms/core/agent.ts";
import { checked } from "../../../algorithms/core/checked.ts";
import type { Trained } from "../../../algorithms/core/optim.ts";
import { stochasticPolicy } from "../../../algorithms/core/stochastic_policy.ts";
import { type TwinCritic, twinValues } from "../../../algorithms/core/twin_critic.ts";
import type { NdArray } from "../../../algorithms/engine/array.ts";
import { asConstants } from "../../../algorithms/engine/export_onnx.ts";
import { tf } from "../../../algorithms/engine/tensor.ts";
import { levelColumns, type Levels } from "../../../algorithms/bridges/teachers.ts";

interface Arrays {
  teacherModel: Trained<TimedNetwork<NdArray>, NdArray>;
  criticTarget: TwinCritic<NdArray>;
}

/**
 * A teacher by its deterministic sampler, `nfe` calls an action; the settings are those of the students' cells, of which the bridge's
 * are not used. Several candidates are judged by the students' critic.
 */
export const bridgeTeacher: Algorithm<BridgedConfig> = {
  ...bridged,
  name: "bridge_teacher",
  module: import.meta.url,
  study: "bridges",
  title: "Teacher",
  source: "Ours: the models of Diffusion-QL, DTQL, SRPO and FQL",
  create: checked<BridgedConfig>("a teacher", bridged, (config, spec) => {
    const teacher = createTeacher(config.teacher, config);
    if (!teacher) throw new RangeError("Cannot create a teacher: teacher must be one, current value is none");
    const agent = createBridged({ ...config, updates: config.updates + 1, normalizeObservations: false }, spec);
    const path = teacher.path(teacher.top, config.nfe);
    return {
      init: agent.init,
      update: agent.update,
      ...stochasticPolicy<TimedNetwork, TwinCritic>("bridge_teacher", spec, {
        paramsOf: (arrays) => (arrays as Arrays).teacherModel.params,
        sample(params, s, [z]) {
          const levels = path.map((level): Levels => asConstants(levelColumns([level])));
          const network = teacherNetwork(teacher, params, s, config.timeDim);
          return tf.mul(teacherEnd(teacher, network, tf.mul(z, teacher.top.sigma), levels), spec.maxAction);
        },
        criticOf: (arrays) => (arrays as Arrays).criticTarget,
        value: (critic, s, a) => tf.minimum(...twinValues(critic, s, tf.div(a, spec.maxAction))),
      }),
    };
  }),
};
