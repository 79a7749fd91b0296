import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import axe from "axe-core";
import { dirname, extname, join } from "node:path";
import type { Page } from "playwright-core";
import type { PolicyCard } from "../../../results/policies/card.ts";
import { readJson } from "../../../tools/files.ts";
import { resultsFolder } from "../../../tools/paths.ts";
import type { PlayPolicy, Stats } from "../../../results/policies/play/messages.ts";
import { serveSite } from "../../../results/policies/play/serve.ts";
import { buildSite, offers, type Site, writeSite } from "../../../results/policies/play/site.ts";
import { browserPath, startBrowser } from "../../browser.ts";
import { readGif } from "../../gif.ts";

const gallery = join(resultsFolder, "gallery", "policies");

let built: Promise<Site> | null = null;
const site = () => built ??= buildSite([gallery]);

/** Opens a page and returns it with everything that went wrong on it so far. */
async function openPage(url: string) {
  const browser = await startBrowser();
  const page = await browser.newPage({ reducedMotion: "no-preference" });
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("requestfailed", (request) => problems.push(request.url()));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) {
      problems.push(`went to ${request.url()}`);
    }
  });
  await page.goto(url);
  return { page, problems, [Symbol.asyncDispose]: () => browser.close() };
}

type Look = { stats: Stats | null; frames: number }[];
const look = (page: Page) =>
  page.evaluate("sides.map(({ stats, frames }) => ({ stats, frames: frames() }))") as Promise<Look>;

/** Waits until both sides satisfy a condition. */
async function until(page: Page, what: string, holds: (sides: Look) => boolean): Promise<Look> {
  for (let i = 0; i < 600; i++) {
    const sides = await look(page).catch(() => []); // The page may still be loading.
    if (sides.length === 2 && holds(sides)) return sides;
    await page.waitForTimeout(100);
  }
  throw new Error(`${what}: not within a minute; ${JSON.stringify(await look(page))}`);
}

const onlyWithBrowser = { ignore: browserPath === null, sanitizeOps: false, sanitizeResources: false };

Deno.test("the playground's files name only what is there", async () => {
  const files = await site();
  const policies = JSON.parse(new TextDecoder().decode(files.get("policies.json"))) as PlayPolicy[];
  for (const { folder, kind, calls } of policies) {
    const names = kind === "one-step" ? ["policy.onnx"] : ["denoiser.onnx", "denoiser.json"];
    for (const name of names) assert(files.has(`${folder}/${name}`), `${folder}/${name}`);
    if (kind === "iterative") {
      const levels = JSON.parse(new TextDecoder().decode(files.get(`${folder}/denoiser.json`)));
      assertEquals(calls.map((n) => levels[n].length), calls.map((n) => n + 1));
    }
  }
  const tasks = new Set(policies.map(({ task }) => task));
  for (const task of tasks) { // Something to compare, for every task.
    const kinds = policies.filter((policy) => policy.task === task).map(({ kind }) => kind);
    assert(kinds.includes("one-step") && kinds.includes("iterative"), task);
  }
  assert(tasks.size >= 2);
  assertStringIncludes(new TextDecoder().decode(files.get("THIRD_PARTY.txt")), "three 0.187.0, MIT");
});

Deno.test("two exports of one name are both there", async () => {
  const files = await buildSite([join(gallery, "hopper-srpo"), join(gallery, "hopper-srpo")]);
  const policies = JSON.parse(new TextDecoder().decode(files.get("policies.json"))) as PlayPolicy[];
  assertEquals([...new Set(policies.map(({ folder }) => folder))], ["policies/hopper-srpo", "policies/hopper-srpo-2"]);
  assert(files.has("policies/hopper-srpo-2/policy.onnx"));
});

Deno.test("Diffusion-QL's own chain is offered once, as iterative", async () => {
  const card = (await readJson<PolicyCard>(join(gallery, "hopper-srpo", "card.json")))!;
  assertEquals(offers("x", card).map(({ kind }) => kind), ["one-step", "iterative"]);
  const chain = { ...card, inputs: { ...card.inputs, noise: [5, 3] }, denoiser: { calls: [1, 2, 3, 4, 5] } };
  assertEquals(offers("x", chain).map(({ kind, calls }) => [kind, calls]), [["iterative", [1, 2, 3, 4, 5]]]);
  const inputs = (noise: (number | "batch")[]) => ({ ...card.inputs, noise });
  const kinds = (noise: (number | "batch")[]) =>
    offers("x", { ...chain, inputs: inputs(noise) }).map(({ kind }) => kind);
  assertEquals([kinds(["batch", 3]), kinds(["batch", 6, 3])], [["one-step", "iterative"], ["iterative"]]);
});

Deno.test({
  name: "the playground: both sides run, by keyboard too, without an error",
  ...onlyWithBrowser,
  fn: async () => {
    const server = serveSite(await site(), 0);
    const url = `http://127.0.0.1:${server.addr.port}/`;
    try {
      await using opened = await openPage(url);
      const { page, problems } = opened;
      const both = (holds: (stats: Stats, frames: number, side: number) => boolean) => (sides: Look) =>
        sides.every(({ stats, frames }, i) => stats !== null && holds(stats, frames, i));
      const tasks = page.getByRole("combobox", { name: "Task" });
      await tasks.selectOption("hopper-medium-replay-local");
      const onHopper = (stats: Stats) => stats.realTime === 125;
      const early = await until(page, "both run", both((s, frames) => onHopper(s) && s.steps > 20 && frames > 3));
      await until(
        page,
        "frames and steps advance",
        both(({ steps }, frames, i) => steps > early[i].stats!.steps + 50 && frames > early[i].frames + 5),
      );
      const ended = await until(page, "side A ends an episode", ([a]) => (a.stats?.scores.length ?? 0) > 0);
      for (const { stats } of ended) {
        for (const x of [...stats!.scores, stats!.episodeReturn, stats!.msPerAction]) assert(Number.isFinite(x));
      }
      assertEquals(ended.map(({ stats }) => stats!.calls), [1, 100]);
      const [oneStep, iterative] = ended.map(({ stats }) => stats!);
      assert(iterative.msPerAction > 20 * oneStep.msPerAction);
      const paces = [oneStep, iterative].map(({ stepsPerSecond }) => stepsPerSecond);
      assert(paces[0] > 1.5 * paces[1], `the usual pair shows the difference, paces are ${paces}`);

      const slider = page.getByRole("region", { name: /^B: SRPO/ }).getByRole("slider", { name: /Denoising steps/ });
      assertEquals(await slider.getAttribute("aria-valuetext"), "100 network calls per action");
      await slider.focus();
      await page.keyboard.press("Home");
      await until(page, "one step of denoising", ([, b]) => b.stats?.calls === 1);
      await page.keyboard.press("End");
      const slow = await until(page, "a hundred", ([, b]) => b.stats?.calls === 100 && b.stats.steps > 3);
      assert(slow[1].stats!.msPerAction > slow[0].stats!.msPerAction);

      await page.getByRole("heading", { name: "Onestep playground" }).click();
      await page.keyboard.press("Space");
      await page.getByRole("status").filter({ hasText: "Paused" }).waitFor();
      await page.waitForTimeout(500);
      const paused = await look(page);
      await page.waitForTimeout(500);
      assertEquals((await look(page)).map(({ frames }) => frames), paused.map(({ frames }) => frames));
      await page.getByRole("button", { name: "Run" }).press("Enter");

      await tasks.selectOption("halfcheetah-medium-replay-local");
      await until(page, "another robot", both(({ steps, realTime }) => steps > 5 && realTime === 20));
      await page.getByRole("button", { name: "Start both again" }).click();
      await until(page, "anew", both(({ steps }) => steps > 0));
      assertEquals(await page.getByRole("alert").allTextContents(), ["", "", ""]);
      assertEquals(problems, []);
    } finally {
      await server.shutdown();
    }
  },
});

for (const [name, width, colorScheme] of [["a desk", 1200, "light"], ["a phone in the dark", 360, "dark"]] as const) {
  Deno.test({
    name:
      `the playground on ${name}: both canvases on one screen, a race, a push, a camera, a film, its state in the address`,
    ...onlyWithBrowser,
    fn: async () => {
      const server = serveSite(await site(), 0);
      const url = `http://127.0.0.1:${server.addr.port}/`;
      try {
        await using opened = await openPage(url);
        const { page, problems } = opened;
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 760 });
        const bothRan = (sides: Look) => sides.every(({ stats }) => (stats?.steps ?? 0) > 60);
        const calls = (sides: Look) => sides.map(({ stats }) => stats!.calls);
        await until(page, "both run", bothRan);
        await page.goto(`${url}#task=hopper-medium-replay-local&a=hopper-dtql%2Fone-step&stepsB=20&race=1`);
        await until(page, "the link is followed", (sides) => bothRan(sides) && `${calls(sides)}` === "1,20");
        await page.reload();
        const ran = await until(page, "both run again", bothRan);
        assertEquals(calls(ran), [1, 20]);
        assert(ran.every(({ stats }) => stats!.distance !== 0 && stats!.seconds > 0));
        await page.getByRole("heading", { name: "A: DTQL, one step" }).waitFor();
        assert(await page.getByRole("checkbox", { name: "Race" }).isChecked());
        await page.getByRole("img", { name: /along the track/ }).waitFor();
        const { bottoms, wide } = await page.evaluate(
          `({ bottoms: sides.map(({ canvas }) => canvas.getBoundingClientRect().bottom), wide: document.documentElement.scrollWidth })`,
        ) as { bottoms: number[]; wide: number };
        assert(bottoms.every((bottom) => bottom <= 760), `canvases end at ${bottoms}`);
        assert(wide <= width);

        await page.getByRole("heading", { level: 1 }).click();
        await page.keyboard.press("p");
        await page.getByRole("status").filter({ hasText: "pushed" }).waitFor();
        await page.getByRole("combobox", { name: "Speed" }).selectOption("0.25");
        await page.waitForTimeout(2500);
        const slow = await look(page);
        assert(slow[0].stats!.stepsPerSecond < 50, `a quarter of 125, current is ${slow[0].stats!.stepsPerSecond}`);
        assertStringIncludes(await page.evaluate("location.hash") as string, "race=1&speed=0.25");

        await page.getByRole("button", { name: "Pause" }).click();
        await page.waitForTimeout(500);
        const picture = () => page.evaluate("sides[0].canvas.toDataURL()");
        const before = await picture();
        await page.getByRole("img", { name: /driven by DTQL/ }).press("ArrowRight");
        await page.waitForTimeout(500);
        assert(before !== await picture(), "the camera turns");

        await page.getByRole("button", { name: "Record" }).click();
        await page.waitForTimeout(1500);
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.getByRole("button", { name: "Stop and save" }).click(),
        ]);
        assertEquals([...(await Deno.readFile(await download.path())).slice(0, 4)], [0x1a, 0x45, 0xdf, 0xa3]); // WebM.

        await page.getByRole("button", { name: "Run" }).click();
        const gif = page.getByRole("button", { name: "GIF of 5 s" });
        await page.evaluate(`{
          const [status, record] = ["#status", "#record"].map((name) => document.querySelector(name));
          globalThis.said = [];
          new MutationObserver(() => said.push(status.textContent + "; " + record.disabled)).observe(status, { childList: true });
        }`);
        const saved = page.waitForEvent("download", { timeout: 120_000 });
        await gif.press("Enter");
        const file = await saved;
        assertEquals(file.suggestedFilename(), "onestep.gif");
        const film = readGif(await Deno.readFile(await file.path()));
        assertEquals(film.width, 640);
        assert(film.pictures > 1 && film.durationMs > 4000 && film.durationMs < 20_000, JSON.stringify(film));
        await gif.waitFor();
        const said = await page.evaluate("said") as string[];
        assert(said.some((words) => /^Recording, \d of 5 s; true$/.test(words)), `${said}`); // The other film waits.
        await page.evaluate(axe.source); // The page's own policy lets no script be added.
        const { violations } = await page.evaluate("axe.run()") as axe.AxeResults;
        assertEquals(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`), []);
        await page.goto(`${url}compared.html`);
        await page.evaluate(axe.source); // The page's own policy lets no script be added.
        assertEquals((await page.evaluate("axe.run()") as axe.AxeResults).violations, []);
        assertEquals(problems, []);
      } finally {
        await server.shutdown();
      }
    },
  });
}

Deno.test({
  name: "the playground as a folder: runs below any path of a plain web server",
  ...onlyWithBrowser,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    await writeSite(await site(), folder);
    const types: Record<string, string> = {
      ".html": "text/html",
      ".js": "text/javascript",
      ".wasm": "application/wasm",
    };
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const path = new URL(request.url).pathname.replace("/some/where/", "") || "index.html";
      const body = await Deno.readFile(join(folder, path)).catch(() => null);
      const headers = { "content-type": types[extname(path)] ?? "application/octet-stream" };
      return body ? new Response(body, { headers }) : new Response(null, { status: 404 });
    });
    try {
      await using opened = await openPage(`http://127.0.0.1:${server.addr.port}/some/where/`);
      await until(opened.page, "both sides run", (sides) => sides.every(({ stats }) => (stats?.steps ?? 0) > 20));
      assertEquals(opened.problems, []);
    } finally {
      await server.shutdown();
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "the playground says what is wrong: a damaged policy, a missing file",
  ...onlyWithBrowser,
  fn: async () => {
    const files = new Map(await site());
    files.set("policies/hopper-expert-dtql/policy.onnx", new Uint8Array(100)); // Both of the pair that it starts with.
    files.delete("policies/hopper-expert-dtql/denoiser.onnx");
    const server = serveSite(files, 0);
    try {
      await using opened = await openPage(`http://127.0.0.1:${server.addr.port}/`);
      const alerts = opened.page.getByRole("alert");
      await alerts.filter({ hasText: "status 404" }).waitFor();
      await alerts.filter({ hasText: /model|protobuf|ERROR/i }).first().waitFor();
    } finally {
      await server.shutdown();
    }
  },
});

Deno.test({
  name: "the playground ends a side whose policy does not act, and says so",
  ...onlyWithBrowser,
  fn: async () => {
    const server = serveSite(await site(), 0);
    const browser = await startBrowser();
    try {
      const page = await browser.newPage();
      await page.clock.install();
      await page.route(
        "**/worker.js",
        (route) => route.fulfill({ contentType: "text/javascript", body: "self.onmessage = () => {};" }),
      ); // Thinks for ever.
      await page.goto(`http://127.0.0.1:${server.addr.port}/`);
      await page.getByRole("heading", { name: "A: DTQL, one step" }).waitFor();
      const alerts = page.getByRole("alert").filter({ hasText: "did not act within 20 s" });
      await page.clock.runFor(75_000); // A minute more than 20 s to fetch and open it.
      assertEquals(await alerts.count(), 0);
      await page.clock.runFor(10_000);
      await alerts.nth(1).waitFor();
    } finally {
      await browser.close();
      await server.shutdown();
    }
  },
});

Deno.test("deno task play: a folder without policies, an unknown flag and a bad port end with one line", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await assertRejects(() => buildSite([folder]), Error, "make one with deno task train or export");
    for (
      const [args, message] of [
        [["--port", "70000"], "--port must be at most 65535, current value is 70000"],
        [[folder], `Cannot play: no run and no exported policy in ${folder}`],
        [["--ports", "1"], 'unknown flag "--ports"; did you mean "--port"?'],
        [["--port", "x"], '--port must be an integer of at least 0 in decimal digits, current value is "x"'],
      ] as const
    ) {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "-A", "tools/task.ts", "play", ...args],
        cwd: dirname(resultsFolder),
        stderr: "piped",
      }).output();
      assertEquals(code, 1);
      assertStringIncludes(new TextDecoder().decode(stderr), message);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
