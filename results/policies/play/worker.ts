/**
 * One side of the playground: a robot in MuJoCo and a policy in ONNX Runtime, in a worker of the browser.
 *
 * @module
 */

/// <reference lib="webworker" />

import { createEnvironment, type Environment } from "../../../environments/environment.ts";
import { normalizedScore } from "../../../environments/scores.ts";
import { findTask } from "../../../environments/tasks.ts";
import { type Act, openPolicy } from "./acts.ts";
import type { Command, Report } from "./messages.ts";

declare const self: DedicatedWorkerGlobalScope;

const frameMs = 33;
const statsMs = 250;
const mostBehindMs = 250; // Steps that come late are made up for, up to here.
const meanOver = 50; // Actions.
const pushMetresPerSecond = 1; // Backwards, of the root.

let env: Environment | null = null;
let task = "";
let act: Act | null = null;
let calls = 1;
let seed = 0;
let running = false;
let observation: Float64Array = new Float64Array();
let steps = 0;
let episodeSteps = 0;
let episodeReturn = 0;
let scores: number[] = [];
let times: number[] = [];
let recent: number[] = []; // When the last control steps ended.
let speed = 1;
let walked = 0; // Metres of finished episodes: the next one goes on where the last one ended.
let startX = 0;
let runningMs = 0;

const report = (message: Report) => self.postMessage(message);
function startEpisode() {
  observation = env!.reset(seed++);
  startX = env!.qpos[0];
  [episodeSteps, episodeReturn] = [0, 0];
}

/** A maze stays where it is. */
const distance = () => env!.goal ? 0 : walked + env!.qpos[0] - startX;

function forget() {
  [scores, times, recent, steps, walked, runningMs] = [[], [], [], 0, 0, 0];
}

async function step(robot: Environment, policy: Act) {
  const before = performance.now();
  const action = await policy(Float32Array.from(observation));
  if (env !== robot || act !== policy) return; // Another was chosen meanwhile.
  times.push(performance.now() - before);
  if (times.length > meanOver) times.shift();
  const result = robot.step(action);
  observation = result.observation;
  steps++;
  episodeSteps++;
  episodeReturn += result.reward;
  recent.push(performance.now());
  if (result.terminated || result.truncated) {
    scores.push(normalizedScore(task, episodeReturn));
    walked = distance();
    startEpisode();
  }
}

function sendFrame() {
  const { position, rotation } = env!.scene;
  const shift = env!.goal ? 0 : walked - startX;
  report({
    type: "frame",
    position: Float32Array.from(position, (x, i) => i % 3 === 0 ? x + shift : x),
    distance: distance(),
    rotation: Float32Array.from(rotation),
    goal: env!.goal && [...env!.goal],
  });
}

function sendStats() {
  const now = performance.now();
  recent = recent.filter((t) => now - t < 1000);
  report({
    type: "stats",
    stats: {
      steps,
      episodeReturn,
      episodeSteps,
      scores,
      msPerAction: times.reduce((a, b) => a + b, 0) / Math.max(times.length, 1),
      calls,
      stepsPerSecond: recent.length,
      realTime: 1 / env!.controlTimestep,
      distance: distance(),
      seconds: runningMs / 1000,
    },
  });
}

/** Lets messages in, without the 4 ms that browsers add to nested timeouts. */
const channel = new MessageChannel();
const pause = (ms: number) =>
  ms > 4 ? new Promise<void>((resolve) => setTimeout(resolve, ms)) : new Promise<void>((resolve) => {
    channel.port1.onmessage = () => resolve();
    channel.port2.postMessage(null);
  });

/** Steps at the pace of real time, or as fast as the policy allows. */
async function loop() {
  let [due, frameAt, statsAt, last] = [performance.now(), 0, 0, performance.now()];
  for (;;) {
    const now = performance.now();
    if (env && act && running) runningMs += now - last;
    last = now;
    if (!env || !act || !running) {
      due = now;
      await pause(20);
      continue;
    }
    const period = 1000 * env.controlTimestep / speed;
    if (now < due) await pause(due - now);
    else {
      try {
        await step(env, act);
      } catch (error) {
        act = null;
        report({ type: "failed", message: `${error}` });
        continue;
      }
      due = Math.max(due + (times.at(-1) ?? 0) + period, performance.now() - mostBehindMs); // The world waits for a thought.
      if (performance.now() < due) await pause(0);
    }
    if (env && now - frameAt > frameMs) {
      frameAt = now;
      sendFrame();
    }
    if (env && now - statsAt > statsMs) {
      statsAt = now;
      sendStats();
      await pause(0);
    }
  }
}

async function obey(command: Command) {
  switch (command.type) {
    case "task": {
      running = false;
      act = null;
      env?.[Symbol.dispose]();
      env = null;
      const made = await createEnvironment(findTask(command.task), "d4rl");
      [env, task, seed] = [made, command.task, command.seed];
      forget();
      startEpisode();
      report({ type: "scene", shapes: made.scene.shapes, goal: made.goal !== null });
      sendFrame();
      break;
    }
    case "policy": {
      act = null;
      const opened = await openPolicy(command.policy, env!.actionSpace.shape[0], () => calls);
      [act, calls] = [opened, command.calls];
      forget();
      startEpisode();
      sendFrame();
      sendStats();
      break;
    }
    case "calls":
      calls = command.calls;
      forget();
      break;
    case "run":
      running = command.running;
      break;
    case "speed":
      speed = command.speed;
      break;
    case "push":
      env!.qvel[0] -= pushMetresPerSecond;
      break;
    case "restart":
      seed = command.seed;
      forget();
      startEpisode();
      sendFrame();
      sendStats();
  }
}

let queue: Promise<void> = Promise.resolve();
self.onmessage = ({ data }: MessageEvent<Command>) => {
  queue = queue.then(() => obey(data)).catch((error) => {
    report({ type: "failed", message: error instanceof Error ? error.message : `${error}` });
  });
};
loop();
