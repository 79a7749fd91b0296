import { chromium } from "playwright-core";
const dark = Deno.args.includes("dark");
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--enable-unsafe-swiftshader"],
});
const page = await browser.newPage({
  viewport: { width: Number(Deno.args[0] ?? 1200), height: 900 },
  colorScheme: dark ? "dark" : "light",
});
page.on("console", (m) => console.log("console", m.type(), m.text().slice(0, 300)));
page.on("pageerror", (e) => console.log("pageerror", e.message));
page.on("requestfailed", (r) => console.log("failed", r.url()));
await page.goto(Deno.args[1] ?? "http://127.0.0.1:8417/");
const look = async (ms: number, name: string) => {
  await page.waitForTimeout(ms);
  console.log(
    name,
    await page.evaluate("JSON.stringify(sides.map((s) => ({ ...s.stats, frames: s.frames() })))"),
    await page.evaluate("[...document.querySelectorAll('[role=alert]')].map((e) => e.textContent).join('|')"),
  );
};
await look(4000, "start");
await page.screenshot({ path: `/tmp/exp/s6/play_${Deno.args[0] ?? 1200}${dark ? "_dark" : ""}.png` });
await look(4000, "later");
await page.selectOption("#side-b-policy", { index: 2 });
await look(6000, "two one-step");
await page.screenshot({ path: `/tmp/exp/s6/play_two.png` });
await browser.close();
