/**
 * Canvases side by side, with words on them, as a film.
 *
 * @module
 */

/// <reference lib="dom" />

const framesPerSecond = 30;

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

/**
 * Records canvases side by side; what it returns ends the film and gives it.
 *
 * @param lines Words on each canvas, asked for at every frame.
 */
export function recordCanvases(canvases: readonly HTMLCanvasElement[], lines: () => string[][]): () => Promise<Blob> {
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
}
