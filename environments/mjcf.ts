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
  /** Of the geom. */
  name: string;
  /** One end, metres. */
  from: readonly [number, number, number];
  /** The other end, metres. */
  to: readonly [number, number, number];
  /** Metres. */
  radius: number;
  /** Sliding friction, if not the model's default. */
  friction?: number;
}

const list = (values: readonly number[]) => values.join(" ");

/** The margin to write so that two equal geoms touch at the distance `margin` as they did before 3.5.0. */
export function geomMargin(margin: number, physics: Physics): number {
  return physics === "stock" ? margin : margin / 2;
}

/** A capsule from its centre, the angle of its axis to z about y (radians), its half-length and its radius. */
export function capsuleAt(
  name: string,
  [x, y, z]: readonly [number, number, number],
  angle: number,
  halfLength: number,
  radius: number,
): Capsule {
  const [dx, dz] = [halfLength * Math.sin(angle), halfLength * Math.cos(angle)];
  return { name, from: [x - dx, y, z - dz], to: [x + dx, y, z + dz], radius };
}

/**
 * MJCF of a body's capsules: the geoms and, in `d4rl` physics, the inertia that MuJoCo before 2.1.1 gave them.
 *
 * @param density In kg / m^3; MuJoCo's default is 1000.
 */
export function capsulesXml(capsules: readonly Capsule[], physics: Physics, density = 1000): string {
  const geoms = capsules.map(({ name, from, to, radius, friction }) =>
    `<geom name="${name}" type="capsule" fromto="${list([...from, ...to])}" size="${radius}"${
      friction === undefined ? "" : ` friction="${friction}"`
    }/>`
  ).join("");
  return physics === "d4rl" ? `${legacyInertialXml(capsules, density)}${geoms}` : geoms;
}

/** Mass in kg, centre and inertia about it (six numbers: xx, yy, zz, xy, xz, yz) of a body. */
export interface Inertial {
  /** Kilograms. */
  mass: number;
  /** Of mass, metres. */
  centre: number[];
  /** About the centre, kg m^2. */
  inertia: number[];
}

/**
 * A capsule as MuJoCo before 2.1.1 counted it, a cylinder lengthened by half a radius at both ends: mass
 * `rho pi r^2 (2h + r)`, transverse inertia `m (3 r^2 + 4 H^2) / 12` with `H = h + r / 2`, axial inertia `m r^2 / 2`.
 */
export function legacyInertial({ from, to, radius }: Capsule, density: number): Inertial {
  const along = to.map((x, i) => x - from[i]);
  const length = Math.hypot(...along);
  const axis = along.map((x) => x / length);
  const mass = density * Math.PI * radius ** 2 * (length + radius);
  const half = (length + radius) / 2;
  const transverse = mass * (3 * radius ** 2 + 4 * half ** 2) / 12;
  const axial = mass * radius ** 2 / 2;
  const inertia = pairs.map(([i, j]) => (i === j ? transverse : 0) + (axial - transverse) * axis[i] * axis[j]);
  return { mass, centre: from.map((x, i) => (x + to[i]) / 2), inertia };
}

const pairs = [[0, 0], [1, 1], [2, 2], [0, 1], [0, 2], [1, 2]] as const; // The order of MuJoCo's fullinertia.

/** Several bodies as one, by the parallel-axis theorem. */
function joinInertials(parts: readonly Inertial[]): Inertial {
  const mass = parts.reduce((sum, part) => sum + part.mass, 0);
  const centre = [0, 1, 2].map((d) => parts.reduce((sum, part) => sum + part.mass * part.centre[d], 0) / mass);
  const inertia = pairs.map(([i, j], k) =>
    parts.reduce((sum, part) => {
      const off = part.centre.map((x, d) => x - centre[d]);
      const distance = i === j ? off.reduce((s, x) => s + x * x, 0) : 0;
      return sum + part.inertia[k] + part.mass * (distance - off[i] * off[j]);
    }, 0)
  );
  return { mass, centre, inertia };
}

function legacyInertialXml(capsules: readonly Capsule[], density: number): string {
  const { mass, centre, inertia } = joinInertials(capsules.map((capsule) => legacyInertial(capsule, density)));
  return `<inertial pos="${list(centre)}" mass="${mass}" fullinertia="${list(inertia)}"/>`;
}
