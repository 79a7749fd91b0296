/**
 * A robot in 3-D, drawn with three.js.
 *
 * @module
 */

/// <reference lib="dom" />

import * as THREE from "three";
import type { Shape } from "../../../environments/environment.ts";

/** Colours of a view. */
export interface Palette {
  background: string;
  floor: string;
  robot: string;
  wall: string;
  /** Of the other robot in a race. */
  ghost: string;
}

/** Where geoms are: centres `[geoms, 3]` and rotations `[geoms, 3, 3]`. */
export interface Pose {
  position: Float32Array;
  rotation: Float32Array;
}

/** A canvas with a robot on it. */
export interface View {
  /** Puts new geoms in place of the old. */
  build(shapes: readonly Shape[], hasGoal: boolean): void;
  /** Moves them and draws; `ghost` are the geoms of another robot of the same shapes, drawn through. */
  draw(pose: Pose, goal: readonly number[] | null, ghost?: Pose | null): void;
  /** Turns the camera around the robot, in radians, and moves it away by a factor. */
  turn(around: number, up: number, away: number): void;
  /** Frames drawn so far. */
  readonly frames: number;
}

function geometryOf({ type, size: [a, b, c] }: Shape): THREE.BufferGeometry {
  if (type === "sphere") return new THREE.SphereGeometry(a, 20, 14);
  if (type === "box") return new THREE.BoxGeometry(2 * a, 2 * b, 2 * c);
  return new THREE.CapsuleGeometry(a, 2 * b, 6, 16).rotateX(Math.PI / 2); // MuJoCo's lie along z.
}

/** A chessboard of metres, so that speed shows. */
function checks({ background, floor }: Palette): THREE.Texture {
  const [a, b] = [background, floor].map((color) => new THREE.Color(color).toArray().map((x) => Math.round(255 * x)));
  const texture = new THREE.DataTexture(Uint8Array.from([a, b, b, a].flatMap((color) => [...color, 255])), 2, 2);
  texture.wrapS = texture.wrapT = THREE.RepeatWrapping;
  texture.repeat.set(40, 40);
  texture.minFilter = THREE.LinearMipmapLinearFilter;
  texture.generateMipmaps = true;
  texture.needsUpdate = true;
  return texture;
}

/** A line across the track at every metre. */
function metres({ wall }: Palette): THREE.LineSegments {
  const points = Array.from({ length: 41 }, (_, i) => [i - 20, -1.2, 0.003, i - 20, 1.2, 0.003]).flat();
  const geometry = new THREE.BufferGeometry().setAttribute("position", new THREE.Float32BufferAttribute(points, 3));
  return new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ color: wall }));
}

/** Puts meshes where geoms are. */
function move(meshes: readonly (THREE.Mesh | null)[], { position, rotation }: Pose) {
  meshes.forEach((mesh, i) => {
    if (!mesh) return;
    const [x, y, z] = position.subarray(3 * i, 3 * i + 3);
    const [a, b, c, d, e, f, g, h, k] = rotation.subarray(9 * i, 9 * i + 9);
    mesh.matrix.set(a, b, c, x, d, e, f, y, g, h, k, z, 0, 0, 0, 1);
    mesh.matrixWorldNeedsUpdate = true;
  });
}

/** Starts drawing on a canvas; throws where the browser has no WebGL. */
export function createView(canvas: HTMLCanvasElement, palette: Palette): View {
  const renderer = new THREE.WebGLRenderer({
    canvas,
    antialias: false,
    powerPreference: "low-power",
    preserveDrawingBuffer: true, // So that it can be recorded.
  });
  renderer.setPixelRatio(1);
  const scene = new THREE.Scene();
  scene.background = new THREE.Color(palette.background);
  scene.fog = new THREE.Fog(palette.background, 8, 30);
  const camera = new THREE.PerspectiveCamera(38, 1, 0.1, 100);
  camera.up.set(0, 0, 1);
  const sun = new THREE.DirectionalLight(0xffffff, 2.2);
  scene.add(sun, sun.target, new THREE.HemisphereLight(0xffffff, 0x777777, 1.6));
  const floor = new THREE.Mesh(new THREE.PlaneGeometry(80, 80), new THREE.MeshBasicMaterial({ map: checks(palette) }));
  scene.add(floor);
  const [robot, shadow] = [new THREE.Group(), new THREE.Group()];
  scene.add(robot, shadow);
  const track = metres(palette);
  scene.add(track);
  const goal = new THREE.Mesh(new THREE.SphereGeometry(0.3, 20, 14), new THREE.MeshLambertMaterial({ color: "#c33" }));
  const materials = {
    robot: new THREE.MeshLambertMaterial({ color: palette.robot }),
    wall: new THREE.MeshLambertMaterial({ color: palette.wall }),
    ghost: new THREE.MeshLambertMaterial({ color: palette.ghost, transparent: true, opacity: 0.45 }),
  };
  let meshes: (THREE.Mesh | null)[] = [];
  let ghosts: (THREE.Mesh | null)[] = [];
  let [first, wide, frames] = [0, false, 0];
  let [around, up, away] = [0, 0, 1];

  const resize = () => {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (width === 0 || canvas.width === width && canvas.height === height) return;
    renderer.setSize(width, height, false);
    camera.aspect = width / height;
    camera.updateProjectionMatrix();
  };

  return {
    get frames() {
      return frames;
    },
    build(shapes, hasGoal) {
      for (const mesh of meshes) mesh?.geometry.dispose();
      robot.clear();
      shadow.clear();
      wide = hasGoal;
      const put = (group: THREE.Group, shape: Shape, material: THREE.Material, geometry?: THREE.BufferGeometry) => {
        const mesh = new THREE.Mesh(geometry ?? geometryOf(shape), material);
        mesh.matrixAutoUpdate = false;
        group.add(mesh);
        return mesh;
      };
      meshes = shapes.map((shape) =>
        shape.type === "plane" ? null : put(robot, shape, shape.type === "box" ? materials.wall : materials.robot)
      );
      ghosts = shapes.map((shape, i) =>
        shape.type === "plane" || shape.type === "box" ? null : put(shadow, shape, materials.ghost, meshes[i]!.geometry)
      );
      track.visible = !hasGoal;
      first = shapes.findIndex(({ type }) => type !== "plane" && type !== "box");
      if (hasGoal) scene.add(goal);
      else scene.remove(goal);
    },
    turn(dAround, dUp, byAway) {
      around += dAround;
      up = Math.min(Math.max(up + dUp, -0.3), 1.1);
      away = Math.min(Math.max(away * byAway, 0.4), 4);
    },
    draw(pose, goalAt, ghost) {
      resize();
      move(meshes, pose);
      shadow.visible = Boolean(ghost);
      if (ghost) move(ghosts, ghost);
      const [x, y] = pose.position.subarray(3 * first, 3 * first + 2);
      if (goalAt) goal.position.set(goalAt[0], goalAt[1], 0.3);
      floor.position.set(2 * Math.round(x / 2), 2 * Math.round(y / 2), 0);
      sun.position.set(x - 2, y - 4, 6);
      sun.target.position.set(x, y, 0);
      track.position.x = Math.round(x);
      const [dx, dy, z, middle] = wide ? [0, -7, 12, 0] : [0.6, -4.2, 1.7, 0.75];
      const [flat, height] = [Math.hypot(dx, dy), z - middle];
      const [angle, rise] = [Math.atan2(dy, dx) + around, Math.atan2(height, flat) + up];
      const far = Math.hypot(flat, height) * away;
      camera.position.set(
        x + far * Math.cos(rise) * Math.cos(angle),
        y + far * Math.cos(rise) * Math.sin(angle),
        Math.max(middle + far * Math.sin(rise), 0.1),
      );
      camera.lookAt(x, y, middle);
      renderer.render(scene, camera);
      frames++;
    },
  };
}
