/**
 * Models of MuJoCo: loaded from text or from files, and what they have names for.
 *
 * @module
 */

import type { MainModule, MjData, MjModel } from "@mujoco/mujoco";
import { geomMargin, type Physics } from "./mjcf.ts";

/** Live views of what a model has names for; a name it lacks is an error that says so. */
export interface Named {
  /** Where a site or body is in the world, metres, `[3]`. */
  position(kind: "site" | "body", name: string): Float64Array;
  /** How a body is turned in the world, a unit quaternion, `[4]`. */
  quaternion(body: string): Float64Array;
  /** Where the model has a site or body in its parent's frame, `[3]`; a task may write it before an episode. */
  place(kind: "site" | "body", name: string): Float64Array;
  /** How the model has a body turned in its parent's frame, `[4]`; a task may write it before an episode. */
  turn(body: string): Float64Array;
  /** A hinge's or slide's position. */
  joint(name: string): number;
  /** A sensor's reading, of a model whose sensors have one number each. */
  sensor(name: string): number;
  /** An actuator's number. */
  actuator(name: string): number;
  /** Gains and biases of all actuators, `[actuators, 10]` each. */
  actuators(): { gain: Float64Array; bias: Float64Array };
}

/** A model in files: MuJoCo reads `main`, and what that includes. */
export interface ModelFiles {
  /** Where they were found, for messages. */
  origin: string;
  /** Path of the model among them. */
  main: string;
  /** Contents by path. */
  files: ReadonlyMap<string, Uint8Array>;
}

const directories = new Map<ModelFiles, string>();

/** Loads a task's model; files go into MuJoCo's own file system first, once, and get the contact margins of `physics`. */
export function loadModel(mujoco: MainModule, task: string, source: string | ModelFiles, physics: Physics): MjModel {
  let model: MjModel | null;
  try {
    model = typeof source === "string"
      ? mujoco.MjModel.from_xml_string(source)
      : mujoco.MjModel.from_xml_path(mount(mujoco, source));
  } catch (error) {
    const why = (error as Error).message.replace(/^MuJoCo Error: (Loading error: )?/, "").trim().replaceAll("\n", "; ");
    const which = typeof source === "string" ? "" : ` (${source.main} in ${source.origin})`;
    throw new Error(`Cannot create ${task}: MuJoCo refused its model${which}: ${why}`);
  }
  if (!model) throw new Error(`Cannot create ${task}: MuJoCo refused its model`);
  if (typeof source !== "string") {
    const margin = model.geom_margin as Float64Array;
    margin.forEach((m, i) => margin[i] = geomMargin(m, physics));
  }
  return model;
}

/** Writes files into MuJoCo's file system. */
function mount(mujoco: MainModule, source: ModelFiles): string {
  const directory = directories.get(source) ?? `/models/${directories.size}`;
  if (!directories.has(source)) {
    for (const [path, content] of source.files) {
      const target = `${directory}/${path}`;
      mujoco.FS.mkdirTree(target.slice(0, target.lastIndexOf("/")), 0o755);
      mujoco.FS.writeFile(target, content);
    }
    directories.set(source, directory);
  }
  return `${directory}/${source.main}`;
}

/** The live views by name of a model and its state. */
export function nameViews(mujoco: MainModule, model: MjModel, data: MjData, task: string): Named {
  const kinds = {
    site: mujoco.mjtObj.mjOBJ_SITE,
    body: mujoco.mjtObj.mjOBJ_BODY,
    joint: mujoco.mjtObj.mjOBJ_JOINT,
    sensor: mujoco.mjtObj.mjOBJ_SENSOR,
    actuator: mujoco.mjtObj.mjOBJ_ACTUATOR,
  };
  const known = new Map<string, number>();
  const index = (kind: keyof typeof kinds, name: string): number => {
    const key = `${kind} "${name}"`;
    const id = known.get(key) ?? mujoco.mj_name2id(model, kinds[kind].value, name);
    if (id < 0) throw new Error(`Cannot play ${task}: its model has no ${key}; is it D4RL's own?`);
    known.set(key, id);
    return id;
  };
  const row = (all: Float64Array, width: number, i: number) => all.subarray(width * i, width * (i + 1));
  return {
    position: (kind, name) => row(kind === "site" ? data.site_xpos : data.xpos, 3, index(kind, name)),
    quaternion: (body) => row(data.xquat, 4, index("body", body)),
    place: (kind, name) => row(kind === "site" ? model.site_pos : model.body_pos, 3, index(kind, name)),
    turn: (body) => row(model.body_quat, 4, index("body", body)),
    joint: (name) => (data.qpos as Float64Array)[(model.jnt_qposadr as Int32Array)[index("joint", name)]],
    sensor: (name) => (data.sensordata as Float64Array)[index("sensor", name)],
    actuator: (name) => index("actuator", name),
    actuators: () => ({ gain: model.actuator_gainprm as Float64Array, bias: model.actuator_biasprm as Float64Array }),
  };
}
