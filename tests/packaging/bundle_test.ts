import { assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { workspaceFolder } from "../../tools/paths.ts";

const config = JSON.parse(await Deno.readTextFile(join(workspaceFolder, "deno.json")));
const bundler = "results/policies/play/bundle.ts";
const rounds = 10;

Deno.test("bundle() works three times at once on a machine that has nothing yet, ten times", async () => {
  for (let round = 0; round < rounds; round++) {
    const folder = await Deno.makeTempDir();
    try {
      for (const name of [bundler, "tools/paths.ts"]) {
        await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
        await Deno.copyFile(join(workspaceFolder, name), join(folder, name));
      }
      const { esbuild } = config.scopes["./results/"];
      const settings = { nodeModulesDir: config.nodeModulesDir, imports: { esbuild }, lock: false };
      await Deno.writeTextFile(join(folder, "deno.json"), JSON.stringify(settings));
      await Deno.writeTextFile(join(folder, "part.ts"), "export const answer: number = 42;");
      await Deno.writeTextFile(join(folder, "page.ts"), 'import { answer } from "./part.ts"; console.log(answer);');
      const script = `import { bundle } from "./${bundler}"; const [page] = await bundle([Deno.cwd() + "/page.ts"]);` +
        "console.log(new TextDecoder().decode(page).length > 10);";
      await Deno.writeTextFile(join(folder, "build.ts"), script);
      const builds = Array.from({ length: 3 }, () =>
        new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--quiet", "build.ts"],
          cwd: folder,
          env: { DENO_DIR: join(folder, "cache"), NO_COLOR: "1" },
        }).output());
      const texts = (await Promise.all(builds)).map(({ stdout, stderr }) =>
        new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)
      );
      assertEquals(texts, ["true\n", "true\n", "true\n"], `round ${round}`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
});
