import { chromium } from "playwright-core";
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--enable-unsafe-swiftshader"],
});
const page = await browser.newPage({ viewport: { width: 1200, height: 880 }, colorScheme: "light" });
page.on("pageerror", (e) => console.log("pageerror", e.message));
await page.goto("http://127.0.0.1:8418/");
const stats = async (name: string) =>
  console.log(
    name,
    await page.evaluate(
      "JSON.stringify(sides.map((s) => ({ steps: s.stats.steps, rate: s.stats.stepsPerSecond, ms: s.stats.msPerAction, calls: s.stats.calls, frames: s.frames(), episodes: s.stats.scores.length, mean: s.stats.scores.reduce((a,b)=>a+b,0)/s.stats.scores.length })))",
    ),
  );
await page.selectOption("#task", "halfcheetah-medium-replay-local");
await page.selectOption("#side-a-policy", {
  label: (await page.locator("#side-a-policy option").allTextContents()).find((t) => t.startsWith("SRPO"))!,
});
await page.selectOption("#side-b-policy", {
  label: (await page.locator("#side-b-policy option").allTextContents()).find((t) => t.includes("SRPO's run"))!,
});
await page.locator("#side-b-steps").fill("10"); // 50 calls
await page.waitForTimeout(15000);
await stats("halfcheetah, 50 calls");
await page.screenshot({ path: "/tmp/exp/s6/playground.png" });
await page.selectOption("#task", "hopper-medium-replay-local");
await page.selectOption("#side-b-policy", {
  label: (await page.locator("#side-b-policy option").allTextContents()).find((t) => t.startsWith("SRPO"))!,
});
await page.waitForTimeout(4000);
const count = async () =>
  JSON.parse(await page.evaluate("JSON.stringify(sides.map((s) => [s.stats.steps, s.frames()]))") as string);
const a = await count(), t = performance.now();
await page.waitForTimeout(30000);
const b = await count(), dt = (performance.now() - t) / 1000;
console.log(
  "two one-step on hopper, 30 s: control steps per second",
  b.map((x: number[], i: number) => ((x[0] - a[i][0]) / dt).toFixed(1)),
  "frames per second",
  b.map((x: number[], i: number) => ((x[1] - a[i][1]) / dt).toFixed(1)),
);
await page.screenshot({ path: "/tmp/exp/s6/playground_hopper.png" });
await browser.close();
