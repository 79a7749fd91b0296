import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { converter, runNotebook, trimNotebook } from "../results/pages/notebooks.ts";
import { fromFileUrl } from "../tools/paths.ts";

const folder = fromFileUrl(new URL("../notebooks/", import.meta.url));
const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".ipynb")).sort();

interface Notebook {
  cells: {
    cell_type: "code" | "markdown";
    source: string | string[];
    outputs?: { output_type: string; data?: Record<string, unknown>; evalue?: string }[];
  }[];
}

const read = async (path: string): Promise<Notebook> => JSON.parse(await Deno.readTextFile(path));
const textOf = (source: string | string[]) => Array.isArray(source) ? source.join("") : source;
const errorsOf = ({ cells }: Notebook) =>
  cells.flatMap(({ outputs = [] }) =>
    outputs.filter(({ output_type }) => output_type === "error").map((o) => o.evalue)
  );

const converts = await Deno.stat(converter).then(() => true, () => false);

for (const name of names) {
  Deno.test(`${name} has at most 15 cells, and its outputs are committed and without errors`, async () => {
    const notebook = await read(join(folder, name));
    assert(notebook.cells.length <= 15);
    assertEquals(errorsOf(notebook), []);
    assert(notebook.cells.some(({ outputs = [] }) => outputs.some(({ data }) => data && Object.keys(data).length > 1)));
  });

  Deno.test({
    name: `${name} runs from a clean kernel, without errors`,
    ignore: !converts,
    fn: async () => {
      const out = await Deno.makeTempDir();
      try {
        await runNotebook(join(folder, name), out);
        assertEquals(errorsOf(await read(join(out, name))), []);
      } finally {
        await Deno.remove(out, { recursive: true });
      }
    },
  });
}

Deno.test("the notebooks pass the type checker", async () => {
  const paths: string[] = [];
  try {
    for (const name of names) {
      const { cells } = await read(join(folder, name));
      const code = cells.filter(({ cell_type }) => cell_type === "code").map(({ source }) => textOf(source)).join(
        ";\n",
      );
      const path = join(folder, `_${name}.ts`);
      paths.push(path);
      await Deno.writeTextFile(path, code);
    }
    const { code: status, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", ...paths],
      stdout: "piped",
      stderr: "piped",
    }).output();
    assertEquals(status, 0, new TextDecoder().decode(stderr));
  } finally {
    for (const path of paths) await Deno.remove(path);
  }
});

Deno.test("deno task notebooks refuses a file that is not there, and names those that are", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "tools/task.ts", "notebooks", "read_the_result"],
    cwd: join(folder, ".."),
    stdout: "null",
    stderr: "piped",
  }).output();
  assertEquals(code, 1);
  const text = new TextDecoder().decode(stderr);
  for (const part of ['read_the_result"', "no such file", ...names]) assert(text.includes(part), text);
});

Deno.test("the notebooks' committed outputs are as trimNotebook() leaves them: one picture each, 1.7 MB in all", async () => {
  let bytes = 0;
  for (const name of names) {
    const text = await Deno.readTextFile(join(folder, name));
    bytes += text.length;
    assertEquals(`${JSON.stringify(await trimNotebook(JSON.parse(text)), null, 1)}\n`, text, name);
  }
  assert(bytes < 1_700_000, `${bytes} bytes`);
});
