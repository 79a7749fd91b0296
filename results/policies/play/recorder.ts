/**
 * Canvases side by side, with words on them, as a film.
 *
 * @module
 */

/// <reference lib="dom" />

const framesPerSecond = 30;

/** Draws canvases beside each other, each with its lines of text. */
export function paint(onto: HTMLCanvasElement, canvases: readonly HTMLCanvasElement[], lines: readonly string[][]) {
  const context = onto.getContext("2d")!;
  const width = onto.width / canvases.length;
  canvases.forEach((canvas, i) => {
    context.drawImage(canvas, i * width, 0, width, onto.height);
    const top = onto.height - 6 - 19 * lines[i].length;
    context.fillStyle = "rgba(255, 255, 255, 0.82)";
    context.fillRect(i * width, top, width, onto.height - top);
    context.fillStyle = "#1b1f24";
    lines[i].forEach((line, k) => {
      context.font = `${k === 0 ? "bold " : ""}14px system-ui, "DejaVu Sans", sans-serif`;
      context.fillText(line, i * width + 8, top + 17 + 19 * k, width - 16);
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
  film.height = Math.max(...canvases.map(({ height }) => height));
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
