/**
 * Two things that only the system's C library can do: make a thread flush denormal numbers, and keep a library loaded.
 *
 * @module
 */

const { os, arch } = Deno.build;

/** Whether Deno lets this program use libraries, wherever they are. */
export const mayUseLibraries = (): boolean => Deno.permissions.querySync({ name: "ffi" }).state === "granted";

/** Whether this thread's processor takes denormal numbers for zero, seen by a product of which no compiler knows the factors. */
export function flushesDenormals(): boolean {
  const probe = Float64Array.of(1e-200, 1e-120);
  return probe[0] * probe[1] === 0;
}

const flags = 0x0040 | 0x8000; // MXCSR: denormals are zero, flush to zero.

/**
 * Makes the calling thread's processor take denormal numbers for zero, where it is an x86; ONNX Runtime flushes them on no other.
 *
 * ONNX Runtime's `session.set_denormal_as_zero` sets the processor's flag in the thread that makes the process's first session and in
 * the sessions' own threads. Any other thread, a worker's say, would compute other bits, and Adam's tiny moments slowly. The flag holds
 * for JavaScript's numbers below 2.2e-308 in that thread, too.
 *
 * @returns Whether the thread now is as ONNX Runtime means it to be.
 */
export function flushDenormals(): boolean {
  if (arch !== "x86_64" || flushesDenormals()) return true;
  if (!mayUseLibraries()) return false;
  if (os === "linux") {
    const env = { parameters: ["buffer"], result: "i32" } as const;
    const libm = Deno.dlopen("libm.so.6", { fegetenv: env, fesetenv: env });
    const state = new DataView(new ArrayBuffer(32)); // fenv_t: 28 bytes of the x87, then MXCSR.
    libm.symbols.fegetenv(state.buffer);
    state.setUint32(28, state.getUint32(28, true) | flags, true);
    libm.symbols.fesetenv(state.buffer);
    libm.close();
  } else if (os === "windows") {
    const control = { parameters: ["buffer", "u32", "u32"], result: "i32" } as const;
    const runtime = Deno.dlopen("ucrtbase.dll", { _controlfp_s: control });
    runtime.symbols._controlfp_s(new ArrayBuffer(4), 0x0100_0000, 0x0300_0000); // _DN_FLUSH, _MCW_DN
    runtime.close();
  }
  return flushesDenormals();
}

/** A C string. */
export const cString = (text: string): ArrayBuffer => new TextEncoder().encode(`${text}\0`).buffer;

/**
 * Keeps a library loaded until the process ends: Deno unloads one with the last worker that opened it, while threads that it started
 * still run.
 */
export function keepLoaded(path: string): void {
  if (os === "windows") {
    const kernel = Deno.dlopen("kernel32.dll", { LoadLibraryW: { parameters: ["buffer"], result: "pointer" } });
    kernel.symbols.LoadLibraryW(Uint16Array.from(`${path}\0`, (letter) => letter.charCodeAt(0)).buffer);
    kernel.close();
    return;
  }
  const dlopen = { parameters: ["buffer", "i32"], result: "pointer" } as const;
  const system = Deno.dlopen(os === "darwin" ? "/usr/lib/libSystem.B.dylib" : "libdl.so.2", { dlopen });
  system.symbols.dlopen(cString(path), 2); // RTLD_NOW
  system.close();
}
