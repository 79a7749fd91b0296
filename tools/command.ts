/**
 * How a command line ends.
 *
 * @module
 */

/** Runs a command and ends the process with its exit code; an error is one line and code 1. */
export async function runCommand(main: () => Promise<number>): Promise<never> {
  try {
    Deno.exit(await main());
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
