/**
 * One side of the playground: a robot in MuJoCo and a policy in ONNX Runtime, in a worker of the browser.
 *
 * @module
 */

/// <reference lib="webworker" />

import * as ort from "onnxruntime-web/wasm";
import { type NoiseLevel, sampleActionChain } from "../../../algorithms/core/denoiser.ts";
import { createRng } from "../../../algorithms/core/rng.ts";
import { createEnvironment, type Environment } from "../../../environments/environment.ts";
import { normalizedScore } from "../../../environments/scores.ts";
import { findTask } from "../../../environments/tasks.ts";
import type { Command, PlayPolicy, Report } from "./messages.ts";

declare const self: DedicatedWorkerGlobalScope;

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };

type Act = (observation: Float32Array) => Promise<Float32Array>;

const frameMs = 33;
const statsMs = 250;
const mostBehindMs = 250; // Steps that come late are made up for, up to here.
const meanOver = 50; // Actions.

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

const report = (message: Report) => self.postMessage(message);
const rng = createRng("play");

async function fetchBytes(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`Cannot load ${url}: status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

const tensor = (data: Float32Array, shape: readonly number[]) => new ort.Tensor("float32", data, shape);

async function openOneStep({ folder }: PlayPolicy): Promise<Act> {
  const session = await ort.InferenceSession.create(await fetchBytes(`${folder}/policy.onnx`));
  const noise = session.inputMetadata.find(({ name }) => name === "noise");
  const shape = noise?.isTensor ? noise.shape.map(Number) : null;
  return async (observation) => {
    const feeds: Record<string, ort.Tensor> = { observation: tensor(observation, [1, observation.length]) };
    if (shape) feeds.noise = tensor(rng.fillNormal(new Float32Array(shape.reduce((a, b) => a * b))), shape);
    return (await session.run(feeds)).action.data as Float32Array;
  };
}

async function openIterative({ folder }: PlayPolicy, actionDim: number): Promise<Act> {
  const [bytes, table] = await Promise.all([
    fetchBytes(`${folder}/denoiser.onnx`),
    fetchBytes(`${folder}/denoiser.json`),
  ]);
  const session = await ort.InferenceSession.create(bytes);
  const levels = JSON.parse(new TextDecoder().decode(table)) as Record<string, NoiseLevel[]>;
  return (observation) => {
    const clean = async (sample: Float32Array, { time, alpha, sigma }: NoiseLevel) => {
      const results = await session.run({
        observation: tensor(observation, [1, observation.length]),
        sample: tensor(sample, [1, actionDim]),
        level: tensor(Float32Array.of(time, alpha, sigma), [1, 3]),
      });
      return results.clean.data as Float32Array;
    };
    return sampleActionChain(clean, rng.fillNormal(new Float32Array(actionDim)), levels[calls]);
  };
}

function startEpisode() {
  observation = env!.reset(seed++);
  [episodeSteps, episodeReturn] = [0, 0];
}

function forget() {
  [scores, times, recent, steps] = [[], [], [], 0];
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
    startEpisode();
  }
}

function sendFrame() {
  const { position, rotation } = env!.scene;
  report({
    type: "frame",
    position: Float32Array.from(position),
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
  let [due, frameAt, statsAt] = [performance.now(), 0, 0];
  for (;;) {
    const now = performance.now();
    if (!env || !act || !running) {
      due = now;
      await pause(20);
      continue;
    }
    const period = 1000 * env.controlTimestep;
    if (now < due) await pause(due - now);
    else {
      try {
        await step(env, act);
      } catch (error) {
        act = null;
        report({ type: "failed", message: `${error}` });
        continue;
      }
      due = Math.max(due + period, performance.now() - mostBehindMs);
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
      const open = command.policy.kind === "one-step" ? openOneStep : openIterative;
      act = null;
      const opened = await open(command.policy, env!.actionSpace.shape[0]);
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
