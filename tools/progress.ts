/**
 * The progress of one long call: a bar in a terminal, a live display in a notebook, a line now and then elsewhere.
 *
 * @module
 */

import cliProgress from "cli-progress";

/** How far a call is. */
export interface Progress {
  /** Says how far: a share from 0 to 1, and what is being done. */
  update(share: number, note: string): void;
  /** Lets the caller print without breaking the bar. */
  around<T>(print: () => T): T;
  /** Takes the bar away. */
  stop(): void;
}

/** Shows nothing. */
export const silentProgress: Progress = { update: () => {}, around: (print) => print(), stop: () => {} };

/** `1 h 2 min`, `3 min 4 s` or `5 s`. */
export function formatSeconds(seconds: number): string {
  const s = Math.max(Math.round(seconds), 0);
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return s >= 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s} s`;
}

/** A call that is shorter shows nothing. */
const quietMs = 1000;
/** Least time between lines where there is no terminal, and between displays in a notebook. */
const [lineMs, displayMs] = [10_000, 300];

type Jupyter = { broadcast(kind: string, content: Record<string, unknown>): Promise<void> };

/** The kernel of a notebook, if this runs in one. */
function notebook(): Jupyter | null {
  try {
    return (Deno as { jupyter?: Jupyter }).jupyter ?? null;
  } catch {
    return null; // Elsewhere its getter throws.
  }
}

/** Starts to show the progress of `label`, on standard error. */
export function startProgress(label: string): Progress {
  const start = performance.now();
  const left = (share: number) => {
    const elapsed = (performance.now() - start) / 1000;
    return share > 0.01 && share < 1 ? `, ${formatSeconds(elapsed / share - elapsed)} left` : "";
  };
  const text = (share: number, note: string) => `${label}: ${note}${left(share)}`;
  const jupyter = notebook();
  if (jupyter) return notebookProgress(jupyter, start, text);
  if (Deno.stderr.isTerminal()) return terminalProgress(start, text);
  let next = start + lineMs;
  return {
    update(share, note) {
      if (performance.now() < next) return;
      next = performance.now() + lineMs;
      console.error(`${Math.floor(100 * share)} % ${text(share, note)}`);
    },
    around: (print) => print(),
    stop: () => {},
  };
}

type Text = (share: number, note: string) => string;

function terminalProgress(start: number, text: Text): Progress {
  const bar = new cliProgress.SingleBar({
    format: "{bar} {percentage}% {label}",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
  }, cliProgress.Presets.shades_classic);
  let [shown, at, label] = [false, 0, ""];
  return {
    update(share, note) {
      [at, label] = [Math.round(1000 * share), text(share, note)];
      if (shown) bar.update(at, { label });
      else if (performance.now() - start > quietMs) {
        shown = true;
        bar.start(1000, at, { label });
      }
    },
    around(print) {
      if (shown) bar.stop(); // Clears its line.
      try {
        return print();
      } finally {
        if (shown) bar.start(1000, at, { label });
      }
    },
    stop() {
      if (shown) bar.stop();
      shown = false;
    },
  };
}

function notebookProgress(jupyter: Jupyter, start: number, text: Text): Progress {
  const id = crypto.randomUUID();
  let [shown, next, last] = [false, start + quietMs, [0, ""] as [number, string]];
  const show = ([share, note]: [number, string]) => {
    const label = text(share, note);
    const escaped = label.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    const data = { "text/plain": label, "text/html": `<progress max="1" value="${share}"></progress> ${escaped}` };
    const kind = shown ? "update_display_data" : "display_data";
    shown = true;
    jupyter.broadcast(kind, { data, metadata: {}, transient: { display_id: id } });
  };
  return {
    update(share, note) {
      last = [share, note];
      if (performance.now() < next) return;
      next = performance.now() + displayMs;
      show(last);
    },
    around: (print) => print(),
    stop() {
      if (shown) show(last);
    },
  };
}
