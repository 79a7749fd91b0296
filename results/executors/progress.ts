/**
 * Progress on a terminal (a bar per running cell and one for all), or as plain lines elsewhere.
 *
 * @module
 */

import cliProgress from "cli-progress";
import { formatSeconds } from "../../tools/progress.ts";
import { type Cell, cellLabel } from "../cells/cell.ts";
import type { Watcher } from "./local.ts";

/** The share of all work that is done, of each cell's share and the seconds that it is thought to take. */
export function doneShare(shares: ReadonlyMap<Cell, number>, secondsOf: (cell: Cell) => number): number {
  const sum = (of: (cell: Cell, share: number) => number) =>
    [...shares].reduce((total, [cell, share]) => total + of(cell, share), 0);
  return sum((cell, share) => share * secondsOf(cell)) / sum(secondsOf);
}

/** The share of a cell's updates that is done; nothing is trained where there are none. */
export const updatesDone = ({ done, total }: { done: number; total: number }): number => total > 0 ? done / total : 0;

/** Shows the progress of `cells`, each of which is thought to take so many seconds, which are above 0. */
export function showProgress(
  cells: readonly Cell[],
  secondsOf: (cell: Cell) => number,
): Watcher & { stop(): void } {
  const start = performance.now();
  const shares = new Map(cells.map((cell) => [cell, 0]));
  const finished = new Set<Cell>();
  const overall = () => doneShare(shares, secondsOf);
  const left = () => {
    const done = overall();
    const elapsed = (performance.now() - start) / 1000;
    return done > 0.01 ? `, ${formatSeconds(elapsed / done - elapsed)} left` : "";
  };
  const elapsed = () => formatSeconds((performance.now() - start) / 1000);

  if (!Deno.stdout.isTerminal()) {
    return {
      started: () => {},
      progress: (cell, said) => shares.set(cell, 0.95 * updatesDone(said)),
      ended(cell, outcome) {
        shares.set(cell, 1);
        finished.add(cell);
        const state = outcome instanceof Error ? "failed" : "done";
        console.log(`[${finished.size}/${cells.length}] ${cellLabel(cell)}: ${state}; ${elapsed()} so far${left()}`);
      },
      stop: () => {},
    };
  }
  const bars = new cliProgress.MultiBar({
    format: "{bar} {percentage}% {label}",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    gracefulExit: false,
  }, cliProgress.Presets.shades_classic);
  const all = bars.create(1000, 0, { label: "all cells" });
  const running = new Map<Cell, cliProgress.SingleBar>();
  const refresh = () =>
    all.update(Math.round(1000 * overall()), {
      label: `${finished.size} of ${cells.length} cells, ${elapsed()}${left()}`,
    });
  return {
    started: (cell) => void running.set(cell, bars.create(1000, 0, { label: cellLabel(cell) })),
    progress(cell, said) {
      const share = updatesDone(said);
      shares.set(cell, 0.95 * share); // The rest is evaluation.
      running.get(cell)?.update(Math.round(1000 * share), { label: `${cellLabel(cell)}, ${said.note}` });
      refresh();
    },
    ended(cell) {
      const bar = running.get(cell);
      if (bar) bars.remove(bar);
      shares.set(cell, 1);
      finished.add(cell);
      refresh();
    },
    stop: () => bars.stop(),
  };
}
