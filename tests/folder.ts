/**
 * Folders that tests write into.
 *
 * @module
 */

/** Calls `run` with a new folder, and removes it afterwards. */
export async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
