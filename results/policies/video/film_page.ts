/**
 * The page that films: policies act in the simulator, robots are drawn as in the playground, pictures go back to the task.
 *
 * @module
 */

/// <reference lib="dom" />

import { createEnvironment } from "../../../environments/environment.ts";
import { findTask } from "../../../environments/tasks.ts";
import { openPolicy } from "../play/acts.ts";
import { createGif } from "../play/gif.ts";
import { bandOf, paint } from "../play/recorder.ts";
import { createView } from "../play/scene.ts";
import type { FilmOrder, FilmPart } from "./order.ts";

const colors = ["#0a58b8", "#b85c00"];

/** A moment of a robot on the film's clock. */
interface Moment {
  at: number;
  position: Float32Array;
  rotation: Float32Array;
}

/** Plays a policy for some seconds of the film's clock, which thinking takes as much of as it took here. */
async function play({ policy, calls }: FilmPart, { task, seed, seconds }: FilmOrder) {
  using env = await createEnvironment(findTask(task), "d4rl");
  const act = await openPolicy(policy, env.actionSpace.shape[0], () => calls);
  let observation = env.reset(seed);
  const times: number[] = [];
  for (let i = 0; i < 50; i++) {
    const before = performance.now();
    await act(Float32Array.from(observation));
    times.push(performance.now() - before);
  }
  const thinkingMs = Math.min(...times); // What else the machine does only adds.
  const period = env.controlTimestep + thinkingMs / 1000;
  const [shapes, hasGoal] = [env.scene.shapes, env.goal !== null];
  const moments: Moment[] = [];
  let [walked, startX] = [0, env.qpos[0]];
  for (let at = 0, next = seed + 1; at <= seconds; at += period) {
    const shift = hasGoal ? 0 : walked - startX;
    const position = Float32Array.from(env.scene.position, (x, i) => i % 3 === 0 ? x + shift : x);
    moments.push({ at, position, rotation: Float32Array.from(env.scene.rotation) });
    const result = env.step(await act(Float32Array.from(observation)));
    observation = result.observation;
    if (!(result.terminated || result.truncated)) continue;
    walked += env.qpos[0] - startX;
    observation = env.reset(next++);
    startX = env.qpos[0];
  }
  const metres = walked + env.qpos[0] - startX;
  const pace = env.controlTimestep / period;
  const words = [
    `${policy.title}${calls > 1 ? `, ${calls} steps` : ""}`,
    `thinking ${thinkingMs.toFixed(thinkingMs < 1 ? 2 : 0)} ms | acting ${Math.round(1000 * env.controlTimestep)} ms`,
    `${pace.toFixed(2)} × real time`,
  ];
  return { shapes, hasGoal, moments, words, metres };
}

const send = async (name: string, body: BodyInit) => {
  const { ok, status } = await fetch(`taken/${name}`, { method: "POST", body });
  if (!ok) throw new Error(`Cannot hand over ${name}: status ${status}`);
};

const pngOf = (canvas: HTMLCanvasElement) => new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));

function sized(width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  return canvas;
}

async function film() {
  const order = await (await fetch("order.json")).json() as FilmOrder;
  const { width, height, seconds, framesPerSecond, stripPoses } = order;
  const sides: Awaited<ReturnType<typeof play>>[] = [];
  for (const part of order.parts) sides.push(await play(part, order)); // One after the other, for their times.
  const canvases = sides.map(() => {
    const canvas = sized(width, height);
    canvas.style.cssText = `width: ${width}px; height: ${height}px`;
    document.body.append(canvas);
    return canvas;
  });
  const views = canvases.map((canvas, i) =>
    createView(canvas, {
      background: "#eef3f8",
      floor: "#d3dde7",
      robot: colors[i % 2],
      ghost: "#888888",
      wall: "#b9c3ce",
    })
  );
  views.forEach((view, i) => view.build(sides[i].shapes, sides[i].hasGoal));
  const whole = sized(width * sides.length, height + bandOf(sides[0].words.length));
  const context = whole.getContext("2d", { willReadFrequently: true })!;
  const drawAt = (at: number) => {
    views.forEach((view, i) => {
      const moment = sides[i].moments.findLast((one) => one.at <= at)!;
      view.draw(moment, null);
    });
    paint(whole, canvases, sides.map(({ words }) => words));
  };

  const gif = createGif(whole.width, whole.height);
  const count = Math.round(seconds * framesPerSecond);
  const stills: ImageBitmap[] = [];
  for (let i = 0; i < count; i++) {
    drawAt(i / framesPerSecond);
    gif.add(context.getImageData(0, 0, whole.width, whole.height).data, 1000 / framesPerSecond);
    stills.push(await createImageBitmap(whole));
  }
  await send("gif", gif.end());

  const strip = sized(whole.width * stripPoses / 2, whole.height / 2);
  for (let k = 0; k < stripPoses; k++) {
    const still = stills[Math.round(k * (count - 1) / Math.max(stripPoses - 1, 1))];
    strip.getContext("2d")!.drawImage(still, k * whole.width / 2, 0, whole.width / 2, whole.height / 2);
  }
  await send("png", (await pngOf(strip))!);

  const stream = whole.captureStream(0);
  const [track] = stream.getVideoTracks() as CanvasCaptureMediaStreamTrack[];
  const recorder = new MediaRecorder(stream, { mimeType: "video/webm", videoBitsPerSecond: 4e6 });
  const parts: Blob[] = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise((resolve) => recorder.onstop = resolve);
  recorder.start();
  for (const still of stills) {
    context.drawImage(still, 0, 0);
    track.requestFrame();
    await new Promise((resolve) => setTimeout(resolve, 1000 / framesPerSecond));
  }
  recorder.stop();
  await stopped;
  await send("webm", new Blob(parts));
  await send("done", JSON.stringify(sides.map(({ words, metres }) => ({ words, metres }))));
}

film().catch((error) => send("failed", error instanceof Error ? error.message : `${error}`));
