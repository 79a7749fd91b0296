/**
 * `deno task setup:gpu`: what NVIDIA GPUs need that npm does not bring: the native addon of tfjs-node-gpu, for `--backend tensorflow`, or
 * ONNX Runtime's CUDA plugin, for `--backend cuda`.
 *
 * The plugin comes as a Python wheel, whose address and SHA-256 the user gives: no index that could be read when this was written had
 * version 0.2.0, the one for ONNX Runtime 1.30.0, so none is built in.
 *
 * The package's own install script unpacks whatever its host sends. This one takes TensorFlow's library only if it has the SHA-256
 * that is published beside its address (wamuir/graft, `third_party/org_tensorflow`), and compiles the addon from the package.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { readArguments } from "./arguments.ts";
import { runCommand } from "./command.ts";
import { fromFileUrl, toFileUrl, userPath, workspaceFolder } from "./paths.ts";

const library = {
  url: "https://storage.googleapis.com/tensorflow/libtensorflow/libtensorflow-gpu-linux-x86_64-2.9.1.tar.gz",
  sha256: "20c46f761d5905f592c4eac0812e8e50d9cb439f9440a9391912cf4c02ed8be8",
};

/**
 * Downloads a file whose SHA-256 is known; nothing is left of one that has another.
 *
 * @throws {Error} If the host does not send it, or sends something else.
 */
export async function downloadVerified(url: string, sha256: string, path: string): Promise<void> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`Cannot download ${url}: status must be 200, current is ${response.status}`);
  const hash = createHash("sha256");
  const part = `${path}.part`;
  try {
    const through = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(bytes, controller) {
        hash.update(bytes);
        controller.enqueue(bytes);
      },
    });
    await Deno.writeFile(part, response.body!.pipeThrough(through));
    const found = hash.digest("hex");
    if (found !== sha256) throw new Error(`Cannot use ${url}: its SHA-256 must be ${sha256}, current is ${found}`);
    await Deno.rename(part, path);
  } finally {
    await Deno.remove(part).catch(() => {}); // It has its name if it was right.
  }
}

async function run(what: string, command: string, args: string[], cwd: string) {
  const { code } = await new Deno.Command(command, { args, cwd }).spawn().status;
  if (code !== 0) throw new Error(`Cannot set up ${what}: ${command} ${args.join(" ")} ended with exit code ${code}`);
}

/**
 * Unpacks a wheel of ONNX Runtime's CUDA plugin into a folder, in place of what is there.
 *
 * @param wheel Its address or path.
 * @throws {Error} If it has another SHA-256; the folder is then as it was.
 */
export async function setUpCuda(wheel: string, sha256: string, folder: string): Promise<void> {
  const archive = `${folder}.whl`;
  await Deno.mkdir(dirname(folder), { recursive: true });
  await downloadVerified(/^https?:/.test(wheel) ? wheel : toFileUrl(userPath(wheel)).href, sha256, archive);
  try {
    await Deno.remove(folder, { recursive: true }).catch(() => {}); // There may be none.
    await run("CUDA", "python3", ["-m", "zipfile", "-e", archive, folder], dirname(folder));
  } finally {
    await Deno.remove(archive);
  }
}

async function setUpTensorFlow() {
  const { os, arch } = Deno.build;
  if (os !== "linux" || arch !== "x86_64") {
    throw new Error(`Cannot set up TensorFlow: its library is for linux x86_64, this system is ${os} ${arch}`);
  }
  const entry = fromFileUrl(new URL(import.meta.resolve("npm:@tensorflow/tfjs-node-gpu@4.22.0")));
  const folder = dirname(dirname(entry));
  const [deps, archive] = ["deps", "deps/libtensorflow.tar.gz"].map((name) => join(folder, name));
  await Deno.mkdir(deps, { recursive: true });
  console.log(`Downloading ${library.url}`);
  await downloadVerified(library.url, library.sha256, archive);
  await run("TensorFlow", "tar", ["-xzf", archive, "-C", deps], folder);
  await Deno.remove(archive);
  console.log("Compiling the addon; it needs Node, Python and a C++ compiler");
  const builder = join(dirname(dirname(folder)), "@mapbox/node-pre-gyp/bin/node-pre-gyp");
  await run("TensorFlow", "node", [builder, "install", "--build-from-source"], folder);
  console.log("Done; try it with: deno task reproduce --profile smoke --backend tensorflow");
}

const help = `Sets up what NVIDIA GPUs need beside npm's packages.

Usage: deno task setup:gpu                        the addon of tfjs-node-gpu (downloads TensorFlow's library), for --backend tensorflow
       deno task setup:gpu cuda <wheel> <sha256>  ONNX Runtime's CUDA plugin, from the address or path of a wheel, for --backend cuda

  -h, --help  this text`;

async function main(): Promise<number> {
  const { switches, positional: [what, wheel, sha256] } = readArguments(Deno.args, {
    verb: "set up",
    texts: [],
    positional: ["what", "wheel", "sha256"],
  });
  if (switches.help) {
    console.log(help);
    return 0;
  }
  if (what === undefined) {
    await setUpTensorFlow();
    return 0;
  }
  if (what !== "cuda") {
    throw new RangeError(`Cannot set up "${what}": it must be "cuda", or nothing for TensorFlow's addon`);
  }
  if (sha256 === undefined) {
    throw new RangeError(
      "Cannot set up CUDA: the address or path of the plugin's wheel (onnxruntime-ep-cuda12 or -cuda13, 0.2.0) and its SHA-256 must be " +
        "given; the index that has the wheel says both",
    );
  }
  await setUpCuda(wheel, sha256, join(workspaceFolder, "node_modules/.cuda"));
  console.log("Done; try it with: deno task bench --backend cuda");
  return 0;
}

if (import.meta.main) await runCommand(main);
