/**
 * The playground's page: menus, two workers, two canvases, and what is known of each side.
 *
 * @module
 */

/// <reference lib="dom" />

import type { Command, PlayPolicy, Report, Stats } from "./messages.ts";
import { createView, type View } from "./scene.ts";

const find = <E extends Element>(selector: string, within: ParentNode = document) => within.querySelector<E>(selector)!;
const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
const palette = (robot: string) =>
  isDark
    ? { background: "#0f1215", floor: "#262d35", robot, wall: "#4a5562" }
    : { background: "#eef3f8", floor: "#d3dde7", robot, wall: "#b9c3ce" };

interface Side {
  choose(policies: readonly PlayPolicy[], task: string, first: number): void;
  send(command: Command): void;
  /** For tests and the curious: `sides[0].stats`. */
  stats: Stats | null;
  frames(): number;
}

const number = (x: number, digits: number) =>
  x.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });

/** What is shown of a side: name, value, remark. */
function rowsOf(stats: Stats): [string, string, string][] {
  const { scores, msPerAction, calls, stepsPerSecond, realTime } = stats;
  const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
  return [
    [
      "D4RL score",
      scores.length > 0 ? number(mean, 1) : "–",
      scores.length === 1 ? "1 episode" : `${scores.length} episodes`,
    ],
    ["Return so far", number(stats.episodeReturn, 0), `step ${stats.episodeSteps}`],
    ["Network calls", `${calls}`, "per action"],
    ["Time per action", `${number(msPerAction, 2)} ms`, `mean of the last 50`],
    [
      "Control steps",
      `${stepsPerSecond} / s`,
      `${number(stepsPerSecond / realTime, 2)} × real time (${number(realTime, 0)} / s)`,
    ],
  ];
}

function createSide(name: string, robot: string): Side {
  const element = find<HTMLTemplateElement>("#side").content.firstElementChild!.cloneNode(true) as HTMLElement;
  const [menuLabel, stepsLabel] = element.querySelectorAll("label");
  const [menu, slider, canvas, problem, list] = [
    find<HTMLSelectElement>("select", element),
    find<HTMLInputElement>("input", element),
    find<HTMLCanvasElement>("canvas", element),
    find<HTMLElement>("[role=alert]", element),
    find<HTMLElement>("dl", element),
  ];
  const id = `side-${name.toLowerCase()}`;
  element.setAttribute("aria-labelledby", `${id}-title`);
  find("h2", element).id = `${id}-title`;
  find("h2", element).textContent = `Side ${name}`;
  menu.id = `${id}-policy`;
  menuLabel.htmlFor = menu.id;
  menuLabel.textContent = "Policy";
  slider.id = `${id}-steps`;
  stepsLabel.htmlFor = slider.id;
  find("#sides").append(element);

  let view: View | null = null;
  try {
    view = createView(canvas, palette(robot));
  } catch {
    problem.textContent = "This browser has no WebGL, so nothing is drawn; the robot runs all the same.";
  }
  let pending: Extract<Report, { type: "frame" }> | null = null;
  const drawNext = () => {
    if (pending) view?.draw(pending.position, pending.rotation, pending.goal);
    pending = null;
  };

  let choice: PlayPolicy[] = [];
  const current = () => choice.find((policy) => policy.id === menu.value)!;
  const calls = () => current().calls[Number(slider.value)];
  const showSteps = () => {
    find<HTMLElement>(".steps", element).hidden = current().calls.length < 2;
    stepsLabel.textContent = `Denoising steps: ${calls()}`;
    slider.setAttribute("aria-valuetext", `${calls()} network calls per action`);
    canvas.setAttribute("aria-label", `The robot driven by ${current().title}`);
  };
  const usePolicy = () => {
    const policy = current();
    slider.max = `${policy.calls.length - 1}`;
    slider.value = `${policy.calls.findLastIndex((n) => n <= 15)}`;
    showSteps();
    problem.textContent = view ? "" : problem.textContent;
    side.send({
      type: "policy",
      policy: { ...policy, folder: new URL(policy.folder, location.href).href },
      calls: calls(),
    });
  };
  menu.addEventListener("change", usePolicy);
  slider.addEventListener("input", () => {
    showSteps();
    side.send({ type: "calls", calls: calls() });
  });

  const worker = new Worker(new URL("worker.js", location.href), { type: "module", name: id });
  worker.onerror = ({ message }) => problem.textContent = `This side stopped: ${message}`;
  worker.onmessage = ({ data }: MessageEvent<Report>) => {
    switch (data.type) {
      case "scene":
        view?.build(data.shapes, data.goal);
        break;
      case "frame":
        if (!pending) requestAnimationFrame(drawNext);
        pending = data;
        break;
      case "stats":
        side.stats = data.stats;
        list.replaceChildren(
          ...rowsOf(data.stats).map(([what, value, remark]) => {
            const row = document.createElement("div");
            for (const [tag, text] of [["dt", what], ["dd", value], ["small", remark]] as const) {
              const cell = document.createElement(tag);
              cell.textContent = text;
              row.append(cell);
            }
            row.children[1].append(row.children[2]);
            return row;
          }),
        );
        break;
      case "failed":
        problem.textContent = data.message;
    }
  };

  const side: Side = {
    stats: null,
    frames: () => view?.frames ?? 0,
    send: (command) => worker.postMessage(command),
    choose(policies, task, first) {
      choice = policies.filter((policy) => policy.task === task);
      menu.replaceChildren(
        ...choice.map(({ id, title, score }) =>
          new Option(score === null ? title : `${title} (score ${number(score, 1)})`, id)
        ),
      );
      menu.selectedIndex = Math.min(first, choice.length - 1);
      side.send({ type: "task", task, seed: 0 });
      usePolicy();
    },
  };
  return side;
}

async function start() {
  const policies = await (await fetch("policies.json")).json() as PlayPolicy[];
  const tasks = [...new Set(policies.map(({ task }) => task))];
  const sides = [createSide("A", isDark ? "#7ab7ff" : "#0a58b8"), createSide("B", isDark ? "#ffb86b" : "#b85c00")];
  Object.assign(globalThis, { sides });
  const [task, run, restart, status] = [
    find<HTMLSelectElement>("#task"),
    find<HTMLButtonElement>("#run"),
    find<HTMLButtonElement>("#restart"),
    find<HTMLElement>("#status"),
  ];
  task.replaceChildren(...tasks.map((id) => new Option(id, id)));

  const setRunning = (running: boolean) => {
    run.setAttribute("aria-pressed", `${running}`);
    run.textContent = running ? "Pause" : "Run";
    status.textContent = running ? "Running" : "Paused";
    for (const side of sides) side.send({ type: "run", running });
  };
  const isRunning = () => run.getAttribute("aria-pressed") === "true";
  const begin = () => {
    const running = isRunning();
    const ofTask = policies.filter((policy) => policy.task === task.value);
    const iterative = ofTask.findIndex(({ kind }) => kind === "iterative");
    sides[0].choose(policies, task.value, 0);
    sides[1].choose(policies, task.value, iterative < 0 ? 1 : iterative);
    setRunning(running);
  };
  const startAnew = () => {
    const seed = Math.floor(Math.random() * 1e6);
    for (const side of sides) side.send({ type: "restart", seed });
    status.textContent = "Both started anew";
  };
  task.addEventListener("change", begin);
  run.addEventListener("click", () => setRunning(!isRunning()));
  restart.addEventListener("click", startAnew);
  addEventListener("keydown", (event) => {
    const { target, key, ctrlKey, metaKey, altKey } = event;
    if (ctrlKey || metaKey || altKey || target instanceof HTMLSelectElement) return;
    if (key === " " && !(target instanceof HTMLButtonElement)) {
      event.preventDefault();
      setRunning(!isRunning());
    } else if (key.toLowerCase() === "r") startAnew();
  });
  if (tasks.length === 0) throw new Error("There are no policies here: export a run first (deno task export)");
  begin();
  setRunning(!matchMedia("(prefers-reduced-motion: reduce)").matches);
}

start().catch((error) => find("#problem").textContent = error instanceof Error ? error.message : `${error}`);
