/**
 * The playground's page: menus, two workers, two canvases, a race, and what is known of each side.
 *
 * @module
 */

/// <reference lib="dom" />

import type { Command, PlayPolicy, Report, Stats } from "./messages.ts";
import { type EndFilm, recordGif, recordWebm, type StartFilm } from "./recorder.ts";
import { createView, type View } from "./scene.ts";

const find = <E extends Element>(selector: string, within: ParentNode = document) => within.querySelector<E>(selector)!;
const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
const colors = isDark ? ["#7ab7ff", "#ffb86b"] : ["#0a58b8", "#b85c00"];
const palette = (robot: string, ghost: string) =>
  isDark
    ? { background: "#0f1215", floor: "#262d35", robot, ghost, wall: "#4a5562" }
    : { background: "#eef3f8", floor: "#d3dde7", robot, ghost, wall: "#b9c3ce" };

type Frame = Extract<Report, { type: "frame" }>;

interface Side {
  name: string;
  canvas: HTMLCanvasElement;
  choose(policies: readonly PlayPolicy[], task: string, wanted: PlayPolicy | undefined, calls: number): void;
  send(command: Command): void;
  /** What is chosen. */
  state(): { policy: PlayPolicy; calls: number };
  /** For tests and the curious: `sides[0].stats`. */
  stats: Stats | null;
  frame: Frame | null;
  view: View | null;
  frames(): number;
}

/** Denoising steps at the start: enough to see them think. */
const usualCalls = 100;

/** Seconds without a word from a side that runs after which it is ended: its policy is none that can act. */
const mostSilent = 20;
/** As many more while a policy is fetched and opened. */
const opening = 60;

/** Length of a GIF; its button says it. */
const gifSeconds = 5;

const number = (x: number, digits: number) =>
  (Number(x.toFixed(digits)) + 0) // No minus before a zero.
    .toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });

/** What is shown of a side: name, value, remark. */
function rowsOf(stats: Stats): [string, string, string][] {
  const { scores, msPerAction, calls, stepsPerSecond, realTime, distance, seconds } = stats;
  const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
  return [
    [
      "Pace",
      `${number(stepsPerSecond / realTime, 2)} × real time`,
      `${stepsPerSecond} of ${number(realTime, 0)} steps / s`,
    ],
    [
      "Thinking | acting",
      `${number(msPerAction, msPerAction < 1 ? 2 : 1)} | ${number(1000 / realTime, 0)} ms`,
      calls === 1 ? "1 network call per action" : `${calls} network calls per action`,
    ],
    ["Distance", `${number(distance, 1)} m`, `${number(seconds > 0 ? distance / seconds : 0, 2)} m/s of your clock`],
    [
      "D4RL score",
      scores.length > 0 ? number(mean, 1) : "–",
      scores.length === 1 ? "1 episode" : `${scores.length} episodes`,
    ],
    ["Return so far", number(stats.episodeReturn, 0), `step ${stats.episodeSteps}`],
  ];
}

/** The mouse, a finger or the arrow keys turn a view; the wheel and + and - move it. */
function steer(canvas: HTMLCanvasElement, side: Side, redraw: () => void) {
  const turn = (around: number, up: number, away = 1) => {
    side.view?.turn(around, up, away);
    redraw();
  };
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", ({ buttons, movementX, movementY }) => {
    if (buttons & 1) turn(-movementX / 120, movementY / 160);
  });
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas) return; // The page scrolls as ever until the canvas is chosen.
    event.preventDefault();
    turn(0, 0, Math.exp(event.deltaY / 800));
  }, { passive: false });
  const keys: Record<string, [number, number, number]> = {
    ArrowLeft: [-0.15, 0, 1],
    ArrowRight: [0.15, 0, 1],
    ArrowUp: [0, 0.1, 1],
    ArrowDown: [0, -0.1, 1],
    "+": [0, 0, 0.9],
    "-": [0, 0, 1.1],
  };
  canvas.addEventListener("keydown", (event) => {
    if (!keys[event.key]) return;
    event.preventDefault();
    turn(...keys[event.key]);
  });
}

function createSide(name: string, [robot, ghost]: readonly string[], drawn: (side: Side) => void): Side {
  const element = find<HTMLTemplateElement>("#side").content.firstElementChild!.cloneNode(true) as HTMLElement;
  const [menuLabel, stepsLabel] = element.querySelectorAll("label");
  const [menu, slider, canvas, problem, list, title] = [
    find<HTMLSelectElement>("select", element),
    find<HTMLInputElement>("input", element),
    find<HTMLCanvasElement>("canvas", element),
    find<HTMLElement>("[role=alert]", element),
    find<HTMLElement>("dl", element),
    find<HTMLElement>("h2", element),
  ];
  const id = `side-${name.toLowerCase()}`;
  element.setAttribute("aria-labelledby", `${id}-title`);
  element.style.setProperty("--side", robot);
  title.id = `${id}-title`;
  menu.id = `${id}-policy`;
  menuLabel.htmlFor = menu.id;
  menuLabel.textContent = "Policy";
  slider.id = `${id}-steps`;
  stepsLabel.htmlFor = slider.id;
  find("#sides").append(element);

  let view: View | null = null;
  try {
    view = createView(canvas, palette(robot, ghost));
  } catch {
    problem.textContent = "This browser has no WebGL, so nothing is drawn; the robot runs all the same.";
  }
  let waiting = false;
  const redraw = () => {
    if (!waiting) requestAnimationFrame(() => (waiting = false, drawn(side)));
    waiting = true;
  };

  let choice: PlayPolicy[] = [];
  const current = () => choice.find((policy) => policy.id === menu.value)!;
  const calls = () => current().calls[Number(slider.value)];
  const showSteps = () => {
    find<HTMLElement>(".steps", element).hidden = current().calls.length < 2;
    stepsLabel.textContent = `Denoising steps: ${calls()}`;
    slider.setAttribute("aria-valuetext", `${calls()} network calls per action`);
    title.textContent = `${name}: ${current().title}`;
    canvas.setAttribute("aria-label", `The robot driven by ${current().title}; drag or arrow keys turn the camera`);
  };
  const usePolicy = (wanted: number) => {
    const policy = current();
    slider.max = `${policy.calls.length - 1}`;
    slider.value = `${policy.calls.findLastIndex((n) => n <= wanted)}`;
    showSteps();
    problem.textContent = view ? "" : problem.textContent;
    side.send({
      type: "policy",
      policy: { ...policy, folder: new URL(policy.folder, location.href).href },
      calls: calls(),
    });
  };
  menu.addEventListener("change", () => usePolicy(usualCalls));
  slider.addEventListener("input", () => {
    showSteps();
    side.send({ type: "calls", calls: calls() });
  });

  const worker = new Worker(new URL("worker.js", location.href), { type: "module", name: id });
  worker.onerror = ({ message }) => problem.textContent = `This side stopped: ${message}`;
  let [running, silent] = [false, 0];
  setInterval(() => {
    if (!running || ++silent < mostSilent) return;
    worker.terminate();
    running = false;
    problem.textContent =
      `This side stopped: its policy did not act within ${mostSilent} s; load the page again and choose another`;
  }, 1000);
  worker.onmessage = ({ data }: MessageEvent<Report>) => {
    silent = 0;
    switch (data.type) {
      case "scene":
        side.frame = null;
        view?.build(data.shapes, data.goal);
        break;
      case "frame":
        side.frame = data;
        redraw();
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
    name,
    canvas,
    stats: null,
    frame: null,
    view,
    frames: () => view?.frames ?? 0,
    state: () => ({ policy: current(), calls: calls() }),
    send(command) {
      if (command.type === "run") [running, silent] = [command.running, Math.min(silent, 0)];
      if (command.type === "task" || command.type === "policy") silent = -opening;
      worker.postMessage(command);
    },
    choose(policies, task, wanted, steps) {
      choice = policies.filter((policy) => policy.task === task);
      menu.replaceChildren(
        ...choice.map(({ id, title, score }) =>
          new Option(score === null ? title : `${title} (score ${number(score, 1)})`, id)
        ),
      );
      menu.value = (choice.find((policy) => policy.id === wanted?.id) ?? choice[0]).id;
      side.send({ type: "task", task, seed: 0 });
      usePolicy(steps);
    },
  };
  steer(canvas, side, redraw);
  return side;
}

/** The pair that shows most: a one-step policy and the diffusion model of its own run, SRPO's first. */
function usualPair(policies: readonly PlayPolicy[], task: string): (PlayPolicy | undefined)[] {
  const ofTask = policies.filter((policy) => policy.task === task);
  const oneStep = ofTask.filter(({ kind }) => kind === "one-step");
  const paired = oneStep.filter(({ folder }) => ofTask.some((p) => p.kind === "iterative" && p.folder === folder));
  const first = paired.find(({ title }) => title.startsWith("SRPO")) ?? paired[0] ?? oneStep[0] ?? ofTask[0];
  const own = ofTask.find(({ kind, folder }) => kind === "iterative" && folder === first?.folder);
  return [first, own ?? ofTask.find(({ kind }) => kind === "iterative") ?? ofTask[1]];
}

async function start() {
  const policies = await (await fetch("policies.json")).json() as PlayPolicy[];
  const bestOf = (task: string) =>
    Math.max(...policies.map((policy) => policy.task === task ? policy.score ?? 0 : -Infinity));
  const tasks = [...new Set(policies.map(({ task }) => task))].sort((a, b) => bestOf(b) - bestOf(a));
  if (tasks.length === 0) throw new Error("There are no policies here: export a run first (deno task export)");
  const [task, run, restart, push, speed, race, record, gif, full, status] = [
    find<HTMLSelectElement>("#task"),
    find<HTMLButtonElement>("#run"),
    find<HTMLButtonElement>("#restart"),
    find<HTMLButtonElement>("#push"),
    find<HTMLSelectElement>("#speed"),
    find<HTMLInputElement>("#race"),
    find<HTMLButtonElement>("#record"),
    find<HTMLButtonElement>("#gif"),
    find<HTMLButtonElement>("#full"),
    find<HTMLElement>("#status"),
  ];
  const drawn = (side: Side) => {
    const other = sides.find((one) => one !== side)!;
    if (side.frame) side.view?.draw(side.frame, side.frame.goal, race.checked ? other.frame : null);
    if (race.checked) showTrack();
  };
  const sides = [createSide("A", colors, drawn), createSide("B", colors.toReversed(), drawn)];
  Object.assign(globalThis, { sides });
  task.replaceChildren(...tasks.map((id) => new Option(id, id)));

  const markers = [...find("#track").querySelectorAll<HTMLElement>("i")];
  const showTrack = () => {
    const distances = sides.map(({ frame }) => frame?.distance ?? 0);
    const end = Math.max(10, 10 * Math.ceil(Math.max(...distances) / 10));
    markers.forEach((marker, i) => {
      marker.style.left = `${100 * Math.min(Math.max(distances[i] / end, 0), 1)}%`;
    });
    find("#finish").textContent = `${end} m`;
  };

  const address = () => {
    const [a, b] = sides.map((side) => side.state());
    const words = new URLSearchParams({
      task: task.value,
      a: a.policy.id,
      b: b.policy.id,
      ...(a.policy.calls.length > 1 ? { stepsA: `${a.calls}` } : {}),
      ...(b.policy.calls.length > 1 ? { stepsB: `${b.calls}` } : {}),
      ...(race.checked ? { race: "1" } : {}),
      ...(speed.value === "1" ? {} : { speed: speed.value }),
    });
    history.replaceState(null, "", `#${words}`);
  };
  const setRunning = (running: boolean) => {
    run.setAttribute("aria-pressed", `${running}`);
    run.textContent = running ? "Pause" : "Run";
    status.textContent = running ? "Running" : "Paused";
    for (const side of sides) side.send({ type: "run", running });
  };
  const isRunning = () => run.getAttribute("aria-pressed") === "true";
  const begin = (wanted: URLSearchParams) => {
    const running = isRunning();
    const usual = usualPair(policies, task.value);
    sides.forEach((side, i) => {
      const chosen = policies.find(({ id }) => id === wanted.get("ab"[i]));
      side.choose(policies, task.value, chosen ?? usual[i], Number(wanted.get(`steps${"AB"[i]}`)) || usualCalls);
    });
    setRunning(running);
    address();
  };
  const startAnew = () => {
    const seed = Math.floor(Math.random() * 1e6);
    for (const side of sides) side.send({ type: "restart", seed });
    status.textContent = "Both started again";
  };
  const pushBoth = () => {
    for (const side of sides) side.send({ type: "push" });
    status.textContent = "Both pushed back by 1 m/s";
  };
  const useSpeed = () => {
    for (const side of sides) side.send({ type: "speed", speed: Number(speed.value) });
    address();
  };
  const useRace = (started: boolean) => {
    find<HTMLElement>("#track").hidden = !race.checked;
    if (started && race.checked) startAnew();
    sides.forEach(drawn);
    address();
  };
  const words = () =>
    sides.map((side) => {
      const { policy, calls } = side.state();
      const pace = side.stats ? side.stats.stepsPerSecond / side.stats.realTime : 0;
      return [`${policy.title}${calls > 1 ? `, ${calls} steps` : ""}`, `${number(pace, 2)} × real time`];
    });
  const films = [record, gif];
  /** Makes a button start a film, and end and save it; after so many seconds it ends by itself. */
  const useFilm = (button: HTMLButtonElement, kind: string, startFilm: StartFilm, seconds: number) => {
    const usual = button.textContent;
    let end: EndFilm | null = null;
    let timer: ReturnType<typeof setInterval> | undefined;
    const toggle = async () => {
      if (!end) {
        end = startFilm(sides.map(({ canvas }) => canvas), words);
        films.forEach((one) => one.disabled = one !== button);
        button.textContent = "Stop and save";
        const started = performance.now();
        const tick = () => {
          const passed = Math.floor((performance.now() - started) / 1000); // Ticks come late where the page has much to do.
          const words = `Recording, ${passed}${seconds < Infinity ? ` of ${seconds}` : ""} s`;
          if (passed >= seconds) press();
          else if (status.textContent !== words) status.textContent = words; // It is read aloud when it changes.
        };
        tick();
        timer = setInterval(tick, 250);
        return;
      }
      const blob = await end();
      status.textContent = `Saved ${number(blob.size / 1e6, 1)} MB of ${kind}`;
      stop();
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `onestep.${kind.toLowerCase()}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    };
    const stop = () => {
      clearInterval(timer);
      end = null;
      films.forEach((one) => one.disabled = false);
      button.textContent = usual;
    };
    const press = () =>
      toggle().catch((error) => {
        stop();
        status.textContent = `Cannot record: ${error.message}`;
      });
    button.addEventListener("click", press);
  };
  task.addEventListener("change", () => begin(new URLSearchParams()));
  find("#sides").addEventListener("input", address);
  find("#sides").addEventListener("change", address);
  run.addEventListener("click", () => setRunning(!isRunning()));
  restart.addEventListener("click", startAnew);
  push.addEventListener("click", pushBoth);
  speed.addEventListener("change", useSpeed);
  race.addEventListener("change", () => useRace(true));
  record.hidden = !("MediaRecorder" in globalThis);
  useFilm(record, "WebM", recordWebm, Infinity);
  useFilm(gif, "GIF", recordGif, gifSeconds);
  full.hidden = !document.fullscreenEnabled;
  full.addEventListener(
    "click",
    () => document.fullscreenElement ? document.exitFullscreen() : find("main").requestFullscreen(),
  );
  addEventListener("keydown", (event) => {
    const { target, key, ctrlKey, metaKey, altKey } = event;
    if (ctrlKey || metaKey || altKey || target instanceof HTMLSelectElement) return;
    if (key === " " && !(target instanceof HTMLButtonElement || target === race)) {
      event.preventDefault();
      setRunning(!isRunning());
    } else if (key.toLowerCase() === "r") startAnew();
    else if (key.toLowerCase() === "p") pushBoth();
  });
  const follow = () => {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (tasks.includes(wanted.get("task") ?? "")) task.value = wanted.get("task")!;
    race.checked = wanted.get("race") === "1";
    speed.value = [...speed.options].find(({ value }) => value === wanted.get("speed"))?.value ?? "1";
    begin(wanted);
    useSpeed();
    useRace(false);
  };
  addEventListener("hashchange", follow); // A link that is opened where the page is.
  follow();
  setRunning(!matchMedia("(prefers-reduced-motion: reduce)").matches);
}

start().catch((error) => find("#problem").textContent = error instanceof Error ? error.message : `${error}`);
