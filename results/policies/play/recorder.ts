/**
 * Canvases side by side, with words on them, as a film.
 *
 * @module
 */

/// <reference lib="dom" />

import { createGif } from "./gif.ts";

const framesPerSecond = 30;
/** A GIF is larger for the same film, so it has fewer and smaller pictures: of one canvas, in pixels. */
const [gifMs, gifWidth] = [80, 320];

/** Starts a film of canvases side by side, with words on each, asked for at every picture. */
export type StartFilm = (canvases: readonly HTMLCanvasElement[], lines: () => string[][]) => EndFilm;
/** Ends a film and gives it. */
export type EndFilm = () => Promise<Blob>;

/** Height of lines of text below a picture. */
export const bandOf = (lines: number): number => 8 + 19 * lines;

/** Draws canvases beside each other, each with its lines of text below. */
export function paint(onto: HTMLCanvasElement, canvases: readonly HTMLCanvasElement[], lines: readonly string[][]) {
  const context = onto.getContext("2d")!;
  const width = onto.width / canvases.length;
  const height = onto.height - bandOf(Math.max(...lines.map(({ length }) => length)));
  context.fillStyle = "#ffffff";
  context.fillRect(0, height, onto.width, onto.height - height);
  context.fillStyle = "#1b1f24";
  canvases.forEach((canvas, i) => {
    context.drawImage(canvas, i * width, 0, width, height);
    lines[i].forEach((line, k) => {
      context.font = `${k === 0 ? "bold " : ""}14px system-ui, "DejaVu Sans", sans-serif`;
      context.fillText(line, i * width + 8, height + 17 + 19 * k, width - 16);
    });
  });
}

/** A film as WebM. */
export const recordWebm: StartFilm = (canvases, lines) => {
  const film = document.createElement("canvas");
  film.width = canvases.reduce((sum, { width }) => sum + width, 0);
  film.height = Math.max(...canvases.map(({ height }) => height)) + bandOf(lines()[0].length);
  const timer = setInterval(() => paint(film, canvases, lines()), 1000 / framesPerSecond);
  paint(film, canvases, lines());
  const recorder = new MediaRecorder(film.captureStream(framesPerSecond), { mimeType: "video/webm" });
  const parts: Blob[] = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  return () =>
    new Promise((resolve) => {
      recorder.onstop = () => {
        clearInterval(timer);
        resolve(new Blob(parts, { type: "video/webm" }));
      };
      recorder.stop();
    });
};

/** A film as GIF, every picture shown for as long as it was there. */
export const recordGif: StartFilm = (canvases, lines) => {
  const film = document.createElement("canvas");
  const [{ width, height }] = canvases;
  film.width = gifWidth * canvases.length;
  film.height = Math.round(gifWidth * height / width) + bandOf(lines()[0].length);
  const context = film.getContext("2d", { willReadFrequently: true })!;
  const gif = createGif(film.width, film.height);
  let since = performance.now();
  paint(film, canvases, lines());
  const keep = () => {
    const now = performance.now();
    gif.add(context.getImageData(0, 0, film.width, film.height).data, now - since);
    since = now;
  };
  const timer = setInterval(() => {
    keep();
    paint(film, canvases, lines());
  }, gifMs);
  return () => {
    clearInterval(timer);
    keep();
    return Promise.resolve(new Blob([gif.end()], { type: "image/gif" }));
  };
};
