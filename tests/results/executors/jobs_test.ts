import { assertEquals } from "@std/assert";
import { jobsAtOnce } from "../../../results/executors/jobs.ts";
import { coresHere } from "../../../tools/machine.ts";

Deno.test("jobsAtOnce(): as many cells as cores allow, and memory were the largest to meet; at least one", () => {
  const jobs = (needs: number[], threads: number, cores: number, freeMiB: number) => {
    const { jobs, why } = jobsAtOnce(needs, threads, { cores, freeMiB });
    return [jobs, why !== null];
  };
  const many = Array<number>(100).fill(600);
  assertEquals(jobs(many, 1, 2, 20_000), [2, false]);
  assertEquals(jobs(many, 1, 16, 8192), [12, true]); // 0.9 of it holds 12 of 600 MiB.
  assertEquals(jobs(many, 4, 16, 8192), [4, false]);
  assertEquals(jobs([4500, ...many], 1, 16, 8192), [5, true]); // The large one, and four beside it.
  assertEquals(jobs([100, 100, 100], 1, 16, 400), [16, false]); // All of them fit.
  assertEquals(jobs([4500, 4500], 1, 8, 1000), [1, true]);
  assertEquals(jobs([600], 8, 2, 8192), [1, false]);
  assertEquals(
    jobsAtOnce([4608, 600], 1, { cores: 8, freeMiB: 5120 }).why,
    "1 at once, not 8: 5.0 GiB of memory are free, and a cell may take 4.5 GiB; --jobs overrides this",
  );
  const here = jobsAtOnce([1], 1);
  assertEquals(here, { jobs: coresHere(), why: null });
});
