/**
 * Whose code this package stands on: licences of the npm packages in the lock files, as installed.
 *
 * `deno task notices` writes `THIRD_PARTY.txt` and a CycloneDX bill of materials.
 *
 * @module
 */

import { join } from "node:path";
import { runCommand } from "./command.ts";
import { makeFolder, writeAtomically } from "./files.ts";
import { resultsFolder, workspaceFolder } from "./paths.ts";

/** A package of a lock file. */
export interface LockedPackage {
  name: string;
  version: string;
  /** `sha512-<base64>`, of its archive. */
  integrity: string;
  /** An SPDX expression; null if it is for another system, so not installed. */
  license: string | null;
  author: string;
  /** Text of its licence file, if it has one. */
  text: string | null;
  /** Keys of what it needs. */
  needs: string[];
}

interface LockFile {
  npm: Record<string, { integrity: string; dependencies?: string[]; optionalDependencies?: string[] }>;
}

const licenseFile = /^(licen[cs]e|copying|notice)(\.|-|$)/i;

function readInstalled(name: string, version: string): Pick<LockedPackage, "license" | "author" | "text"> {
  const store = `${name.replace("/", "+")}@${version}`;
  const folder = join(workspaceFolder, "node_modules/.deno", store, "node_modules", name);
  try {
    const { license, author } = JSON.parse(Deno.readTextFileSync(join(folder, "package.json")));
    const files = [...Deno.readDirSync(folder)].filter((file) => file.isFile && licenseFile.test(file.name));
    const texts = files.map((file) => file.name).sort().map((file) => Deno.readTextFileSync(join(folder, file)).trim());
    return {
      license: license ?? "unknown",
      author: typeof author === "object" ? author?.name ?? "" : author ?? "",
      text: texts.length > 0 ? texts.join("\n\n").replaceAll("\r", "") : null,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { license: null, author: "", text: null };
    throw error;
  }
}

/** The packages of a lock file by their keys in it. */
export function readLocked(lock: string): Map<string, LockedPackage> {
  const { npm }: LockFile = JSON.parse(Deno.readTextFileSync(join(workspaceFolder, lock)));
  const keys = Object.keys(npm);
  const keyOf = (need: string) =>
    keys.find((key) => key === need || key.startsWith(`${need}_`) || key.startsWith(`${need}@`))!;
  return new Map(keys.map((key) => {
    const [, name, version] = key.match(/^(@?[^@]+)@([^_]+)/)!;
    const { integrity, dependencies = [], optionalDependencies = [] } = npm[key];
    const needs = [...dependencies, ...optionalDependencies].map(keyOf);
    return [key, { name, version, integrity, needs, ...readInstalled(name, version) }];
  }));
}

/** The licences of packages and of all that they need, each text once; what is for other systems is left out. */
export function noticesOf(names: readonly string[], packages: ReadonlyMap<string, LockedPackage>): string {
  const found = new Set<LockedPackage>();
  const visit = (one: LockedPackage) => {
    if (found.has(one) || one.license === null) return;
    found.add(one);
    for (const key of one.needs) visit(packages.get(key)!);
  };
  for (const one of packages.values()) if (names.includes(one.name)) visit(one);
  // The Apache licence is the same text for all, and some packages leave it out.
  const apache = [...packages.values()].find(({ license, text }) => license === "Apache-2.0" && text)?.text;
  const groups = Map.groupBy(found, ({ license, text }) => text ?? (license!.includes("Apache-2.0") ? apache! : ""));
  const sections = [...groups].map(([text, members]) => {
    const lines = members.map(({ name, version, license, author }) =>
      `${name} ${version}, ${license}${author && `, ${author}`}`
    );
    return { lines: lines.sort(), text };
  });
  sections.sort((a, b) => a.lines[0] < b.lines[0] ? -1 : 1);
  return sections.map(({ lines, text }) => [...lines, ...(text ? ["", text] : [])].join("\n")).join(
    `\n\n${"-".repeat(80)}\n\n`,
  );
}

/** What CycloneDX wants of a licence: an expression, or a name; nothing where it is not known. */
const licenses = (license: string | null | undefined) =>
  !license
    ? {}
    : license.startsWith("SEE LICENSE")
    ? { licenses: [{ license: { name: license } }] }
    : { licenses: [{ expression: license.replace(/^\((.*)\)$/, "$1") }] };

const purl = ({ name, version }: LockedPackage) => `pkg:npm/${name.replace("@", "%40")}@${version}`;

/**
 * A CycloneDX 1.6 bill of materials. Packages that only some need are optional.
 *
 * @param jsr Keys of the `jsr:` packages in the lock file.
 */
export function billOfMaterials(
  own: { name: string; version: string; license: string },
  jsr: readonly string[],
  needed: ReadonlyMap<string, LockedPackage>,
  optional: readonly ReadonlyMap<string, LockedPackage>[],
): Record<string, unknown> {
  const all = new Map([...optional.flatMap((packages) => [...packages]), ...needed]);
  // A part for another system has the licence of what it is a part of.
  const licenseOf = (key: string) =>
    all.get(key)!.license ?? [...all.values()].find(({ needs, license }) => license && needs.includes(key))?.license;
  const components = [...all].sort(([a], [b]) => a < b ? -1 : 1).map(([key, one]) => ({
    type: "library",
    "bom-ref": purl(one),
    name: one.name,
    version: one.version,
    scope: needed.has(key) ? "required" : "optional",
    hashes: [{ alg: "SHA-512", content: Uint8Array.fromBase64(one.integrity.replace("sha512-", "")).toHex() }],
    ...licenses(licenseOf(key)),
    purl: purl(one),
  }));
  const fromJsr = jsr.map((key) => ({
    type: "library",
    "bom-ref": `jsr:${key}`,
    name: key.slice(0, key.lastIndexOf("@")),
    version: key.slice(key.lastIndexOf("@") + 1),
    scope: "required",
    externalReferences: [{ type: "distribution", url: `https://jsr.io/${key}` }],
  }));
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "library",
        "bom-ref": own.name,
        name: own.name,
        version: own.version,
        licenses: [{ expression: own.license }],
      },
    },
    components: [...fromJsr, ...components],
    dependencies: [...all.values()].map((one) => ({
      ref: purl(one),
      dependsOn: one.needs.map((key) => purl(all.get(key)!)),
    })),
  };
}

async function main(): Promise<number> {
  const own = JSON.parse(await Deno.readTextFile(join(workspaceFolder, "deno.json")));
  const [needed, develop, gpu] = ["deno.lock", "tools/develop.lock", "tools/gpu.lock"].map(readLocked);
  const folder = join(resultsFolder, "notices");
  await makeFolder(folder);
  const names = [...develop.values()].map(({ name }) => name);
  const head =
    "Licences of the npm packages that training, data, reports, playground and tests use. None is part of this repository.";
  await writeAtomically(join(folder, "THIRD_PARTY.txt"), `${head}\n\n${noticesOf(names, develop)}\n`);
  const { jsr } = JSON.parse(await Deno.readTextFile(join(workspaceFolder, "deno.lock")));
  const bill = billOfMaterials(own, Object.keys(jsr), needed, [develop, gpu]);
  await writeAtomically(join(folder, "sbom.cdx.json"), `${JSON.stringify(bill, null, 1)}\n`);
  console.log(`${folder}: THIRD_PARTY.txt and sbom.cdx.json`);
  return 0;
}

if (import.meta.main) await runCommand(main);
