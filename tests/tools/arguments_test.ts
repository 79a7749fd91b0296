import { assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { readArguments, readInteger, readSeeds } from "../../tools/arguments.ts";
import { userFolder, userPath } from "../../tools/paths.ts";

const line = {
  verb: "train",
  texts: ["out", "seeds"],
  switches: ["fresh"],
  lists: ["set"],
  positional: ["algorithm", "dataset"],
} as const;
const refuses = (args: string[], message: string) =>
  assertThrows(() => readArguments(args, line), RangeError, `Cannot train: ${message}`);

Deno.test("readArguments() gives texts, switches, lists and words", () => {
  assertEquals(readArguments(["dtql", "--out", "x", "--set", "a=1", "hopper", "--set=b=2", "--fresh"], line), {
    texts: { out: "x" },
    switches: { fresh: true, help: false },
    lists: { set: ["a=1", "b=2"] },
    positional: ["dtql", "hopper"],
  });
  assertEquals(readArguments([], line).texts, {});
});

Deno.test("readArguments() knows -h and --help", () => {
  for (const flag of ["-h", "--help"]) assertEquals(readArguments([flag], line).switches.help, true);
});

Deno.test("readArguments() refuses a flag that is unknown, lacks its value or is given twice, and words too many", () => {
  refuses(["--ouy", "x"], 'unknown flag "--ouy"; did you mean "--out"?');
  refuses(["--out"], "--out needs a value");
  refuses(["--out="], "--out needs a value");
  refuses(["--out", "--fresh"], "--out needs a value");
  refuses(["--set"], "--set needs a value");
  refuses(["--out", "a", "--out=b"], "--out must be given once, current is 2 times");
  refuses(["--fresh", "--fresh"], "--fresh must be given once");
  refuses(["a", "b", "c"], 'unknown argument "c"');
});

Deno.test("readInteger() takes decimal digits alone", () => {
  assertEquals(readInteger("train", "--updates", "1000", 1), 1000);
  for (const text of ["1e3", "0x10", "", " 1", "-1", "1.5", "9007199254740993", "0"]) {
    assertThrows(() => readInteger("train", "--updates", text, 1), RangeError, `current value is "${text}"`);
  }
});

Deno.test("readSeeds() takes lists and ranges, and refuses a seed given twice", () => {
  assertEquals(readSeeds("train", "0,1,2"), [0, 1, 2]);
  assertEquals(readSeeds("train", "0-4"), [0, 1, 2, 3, 4]);
  assertEquals(readSeeds("train", "3..4,7"), [3, 4, 7]);
  assertThrows(() => readSeeds("train", "0,0"), RangeError, "--seeds must differ, 0 is given twice");
  assertThrows(() => readSeeds("train", "0-2,1"), RangeError, "1 is given twice");
  for (const text of ["4-0", "1e3", "", "0,", "a", "0x1"]) {
    assertThrows(() => readSeeds("train", text), RangeError, "Cannot train: --seeds must");
  }
});

Deno.test("userPath() starts where the user stands, and at home for ~", () => {
  assertEquals(userPath("a/b"), join(userFolder(), "a/b"));
  assertEquals(userPath("~/a"), join(Deno.env.get("HOME")!, "a"));
});
