/**
 * MuJoCo models from dimensions, with the physics of three MuJoCo generations.
 *
 * D4RL was recorded with mujoco-py (MuJoCo 2.0 and earlier). Two things have changed since: a capsule's mass and inertia
 * became exact (2.1.1), and the contact margin of two geoms became their sum (3.5.0). Writing both back reproduces the
 * recorded physics to float32 rounding.
 *
 * @module
 */

/** Which MuJoCo a model behaves like. */
export type Physics = "d4rl" | "v4" | "stock";

/** All physics modes: the recorder of D4RL, Gymnasium's v4 environments, and today's MuJoCo unchanged. */
export const physicsModes: readonly Physics[] = ["d4rl", "v4", "stock"];

/** A capsule in its body's frame: end points and radius in metres. */
export interface Capsule {
  name: string;
  from: readonly [number, number, number];
  to: readonly [number, number, number];
  radius: number;
  friction: number;
}

const density = 1000; // kg / m^3, MuJoCo's default
const list = (values: readonly number[]) => values.join(" ");

/** The margin to write so that two equal geoms touch at the distance `margin` as they did before 3.5.0. */
export function geomMargin(margin: number, physics: Physics): number {
  return physics === "stock" ? margin : margin / 2;
}

/** MJCF of a body's capsule: the geom and, in `d4rl` physics, the inertia that MuJoCo before 2.1.1 gave it. */
export function capsuleXml(capsule: Capsule, physics: Physics): string {
  const { name, from, to, radius, friction } = capsule;
  const geom = `<geom name="${name}" type="capsule" fromto="${
    list([...from, ...to])
  }" size="${radius}" friction="${friction}"/>`;
  return physics === "d4rl" ? `${legacyInertialXml(capsule)}${geom}` : geom;
}

/**
 * A capsule counted as a cylinder lengthened by half a radius at both ends: mass `rho pi r^2 (2h + r)`, transverse
 * inertia `m (3 r^2 + 4 H^2) / 12` with `H = h + r / 2`, axial inertia `m r^2 / 2`.
 */
function legacyInertialXml({ from, to, radius }: Capsule): string {
  const along = to.map((x, i) => x - from[i]);
  const length = Math.hypot(...along);
  const axis = along.map((x) => x / length);
  const mass = density * Math.PI * radius ** 2 * (length + radius);
  const half = (length + radius) / 2;
  const transverse = mass * (3 * radius ** 2 + 4 * half ** 2) / 12;
  const axial = mass * radius ** 2 / 2;
  const inertia = (i: number, j: number) => (i === j ? transverse : 0) + (axial - transverse) * axis[i] * axis[j];
  const full = [inertia(0, 0), inertia(1, 1), inertia(2, 2), inertia(0, 1), inertia(0, 2), inertia(1, 2)];
  const centre = from.map((x, i) => (x + to[i]) / 2);
  return `<inertial pos="${list(centre)}" mass="${mass}" fullinertia="${list(full)}"/>`;
}
