/**
 * A process that locks: `hold <path>` until it is killed, `try <path>` once, `move <path> <folder>`, which
 * puts its folder aside meanwhile, or `append <path> <file> <rounds> <pid>`, many times.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { takeLock, tryLock } from "../../tools/file_lock.ts";
import { hostName } from "../../tools/files.ts";

const [what, path, file, rounds, gone] = Deno.args;
if (what === "hold") {
  using _lock = await takeLock(path, { onWait: ({ who, remedy }) => console.log(`${who}${remedy}`) });
  console.log(`held by ${Deno.pid}`);
  await new Promise((done) => setTimeout(done, 60_000));
} else if (what === "try") {
  using lock = await tryLock(path, ({ who, remedy }) => console.log(`${who}${remedy}`));
  if (lock) console.log("free");
} else if (what === "move") {
  {
    using _lock = await takeLock(path);
    Deno.renameSync(dirname(path), file);
  }
  console.log(JSON.stringify(Deno.readTextFileSync(join(file, basename(path)))));
} else {
  for (let round = 0; round < Number(rounds); round++) {
    let lock: Disposable | null;
    while (!(lock = await tryLock(path))) await new Promise((done) => setTimeout(done, 5));
    for (const word of ["begins", "ends"]) {
      Deno.writeTextFileSync(file, `${Deno.pid} ${word}\n`, { append: true });
      if (word === "begins") await new Promise((done) => setTimeout(done, 3));
    }
    // As if it had been killed: its file stays, and names a process that is gone.
    if (gone && round % 3 === 2) Deno.writeTextFileSync(path, `${hostName()} ${gone} ${crypto.randomUUID()}\n`);
    else lock[Symbol.dispose]();
  }
}
