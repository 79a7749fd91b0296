/**
 * Latency.
 *
 * @module
 */

/** Median milliseconds of one call, after a warm-up. */
export async function timeCalls(call: (i: number) => Promise<unknown>, warmUp: number, calls: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < warmUp + calls; i++) {
    const start = performance.now();
    await call(i);
    if (i >= warmUp) times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[calls >> 1];
}
