/**
 * Models of MuJoCo: loaded from text or from files, and what they have names for.
 *
 * @module
 */

import loadMujoco, { type MainModule, type MjData, type MjModel } from "@mujoco/mujoco";
import { addMargins, collidablePairs, listPair } from "./contacts.ts";
import type { Physics } from "./mjcf.ts";

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

/** A model in files: MuJoCo reads `main`, and what that names. */
export interface ModelFiles {
  /** Folder that has them. */
  origin: string;
  /** Path of the model in it. */
  main: string;
  /** Texts of the model and of all that it includes, by path. */
  texts: ReadonlyMap<string, string>;
  /** Paths of the other files that these name. */
  binaries: readonly string[];
}

let loading: Promise<MainModule> | undefined;

/** MuJoCo, loaded once: its memory has every model. */
export const startMujoco = (): Promise<MainModule> => loading ??= loadMujoco();

const compiled = new WeakMap<ModelFiles, Map<Physics, Promise<MjModel>>>();

/**
 * Loads a task's model. One in files is compiled once, without what is only to be seen, and is copied for every environment;
 * but in `stock` physics, its contacts are those of MuJoCo before 3.5.0: each pair of geoms has the larger of their margins,
 * and shapes without a formula of their own are tested by libccd.
 */
export async function loadModel(
  mujoco: MainModule,
  task: string,
  source: string | ModelFiles,
  physics: Physics,
): Promise<MjModel> {
  if (typeof source === "string") return explained(task, "", () => mujoco.MjModel.from_xml_string(source));
  const known = compiled.get(source) ?? new Map<Physics, Promise<MjModel>>();
  compiled.set(source, known);
  const model = known.get(physics) ?? compileFiles(mujoco, task, source, physics);
  known.set(physics, model);
  model.catch(() => known.delete(physics)); // Another try may find what was missing.
  return new mujoco.MjModel(await model);
}

function explained<T>(task: string, which: string, load: () => T | null): T {
  let why = "";
  try {
    const loaded = load();
    if (loaded) return loaded;
  } catch (error) {
    why = `: ${
      (error as Error).message.replace(/^MuJoCo Error: (Could not create Spec from XML string: )?/, "").trim()
        .replaceAll("\n", "; ")
    }`;
  }
  throw new Error(`Cannot create ${task}: MuJoCo refused its model${which}${why}`);
}

let mounts = 0;

/** Compiles a model from files that are in MuJoCo's own file system for that time alone. */
async function compileFiles(mujoco: MainModule, task: string, files: ModelFiles, physics: Physics): Promise<MjModel> {
  const contents: [path: string, content: Uint8Array | string][] = [...files.texts];
  for (const path of files.binaries) contents.push([path, await Deno.readFile(`${files.origin}/${path}`)]);
  const root = `/models/${mounts++}`;
  const main = `${root}/${files.main}`;
  const [folder, name] = [main.slice(0, main.lastIndexOf("/")), main.slice(main.lastIndexOf("/") + 1)];
  const parse = () => {
    const spec = mujoco.parseXMLString(
      `<mujoco><compiler discardvisual="true"/><include file="${name}"/></mujoco>`,
    );
    let geom = mujoco.mjs_firstElement(spec, mujoco.mjtObj.mjOBJ_GEOM);
    for (let i = 0; geom; i++, geom = mujoco.mjs_nextElement(spec, geom)) {
      if (mujoco.mjs_getName(geom) === "") mujoco.mjs_setName(geom, `geom ${i}`); // So that pairs can be listed.
    }
    return spec;
  };
  try {
    for (const [path, content] of contents) {
      const target = `${root}/${path}`;
      mujoco.FS.mkdirTree(target.slice(0, target.lastIndexOf("/")), 0o755);
      mujoco.FS.writeFile(target, content);
    }
    mujoco.FS.chdir(folder);
    return explained(task, ` (${files.main} in ${files.origin})`, () => {
      let model = mujoco.mj_compile(parse());
      if (physics === "stock") return model;
      const old = Float64Array.from(model.geom_margin as Float64Array);
      const { margins, rest } = addMargins(old, collidablePairs(mujoco, model));
      if (rest.length > 0) {
        const spec = parse();
        for (const [i, j] of rest) listPair(mujoco, spec, model, [i, j], Math.max(old[i], old[j]));
        model.delete();
        model = mujoco.mj_compile(spec);
      }
      (model.geom_margin as Float64Array).set(margins);
      const { mjDSBL_NATIVECCD, mjDSBL_MULTICCD } = mujoco.mjtDisableBit;
      model.opt.disableflags |= mjDSBL_NATIVECCD.value | mjDSBL_MULTICCD.value;
      return model;
    });
  } finally {
    mujoco.FS.chdir("/");
    for (const [path] of contents) mujoco.FS.unlink(`${root}/${path}`);
  }
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
