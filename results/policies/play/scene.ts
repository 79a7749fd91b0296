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
}

/** A canvas with a robot on it. */
export interface View {
  /** Puts new geoms in place of the old. */
  build(shapes: readonly Shape[], hasGoal: boolean): void;
  /** Moves them and draws. */
  draw(position: Float32Array, rotation: Float32Array, goal: readonly number[] | null): void;
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

/** Starts drawing on a canvas; throws where the browser has no WebGL. */
export function createView(canvas: HTMLCanvasElement, palette: Palette): View {
  const renderer = new THREE.WebGLRenderer({ canvas, antialias: false, powerPreference: "low-power" });
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
  const robot = new THREE.Group();
  scene.add(robot);
  const goal = new THREE.Mesh(new THREE.SphereGeometry(0.3, 20, 14), new THREE.MeshLambertMaterial({ color: "#c33" }));
  const materials = {
    robot: new THREE.MeshLambertMaterial({ color: palette.robot }),
    wall: new THREE.MeshLambertMaterial({ color: palette.wall }),
  };
  let meshes: (THREE.Mesh | null)[] = [];
  let [first, wide, frames] = [0, false, 0];

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
      wide = hasGoal;
      meshes = shapes.map((shape) => {
        if (shape.type === "plane") return null;
        const mesh = new THREE.Mesh(geometryOf(shape), shape.type === "box" ? materials.wall : materials.robot);
        mesh.matrixAutoUpdate = false;
        robot.add(mesh);
        return mesh;
      });
      first = shapes.findIndex(({ type }) => type !== "plane" && type !== "box");
      if (hasGoal) scene.add(goal);
      else scene.remove(goal);
    },
    draw(position, rotation, goalAt) {
      resize();
      meshes.forEach((mesh, i) => {
        if (!mesh) return;
        const [x, y, z] = position.subarray(3 * i, 3 * i + 3);
        const [a, b, c, d, e, f, g, h, k] = rotation.subarray(9 * i, 9 * i + 9);
        mesh.matrix.set(a, b, c, x, d, e, f, y, g, h, k, z, 0, 0, 0, 1);
        mesh.matrixWorldNeedsUpdate = true;
      });
      const [x, y] = position.subarray(3 * first, 3 * first + 2);
      if (goalAt) goal.position.set(goalAt[0], goalAt[1], 0.3);
      floor.position.set(2 * Math.round(x / 2), 2 * Math.round(y / 2), 0);
      sun.position.set(x - 2, y - 4, 6);
      sun.target.position.set(x, y, 0);
      if (wide) camera.position.set(x, y - 7, 12);
      else camera.position.set(x + 0.6, y - 4.2, 1.7);
      camera.lookAt(x, y, wide ? 0 : 0.75);
      renderer.render(scene, camera);
      frames++;
    },
  };
}
