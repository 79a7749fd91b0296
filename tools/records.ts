/**
 * JSON that is read back: checked for its shape where it is read, so that a file from elsewhere is named and not believed.
 *
 * @module
 */

/** What a value must look like: a type, `[shape]` for a list, `["or null", shape]`, or an object that has at least these fields. */
export type Shape =
  | "string"
  | "number"
  | "boolean"
  | "anything"
  | readonly [Shape]
  | readonly ["or null", Shape]
  | { readonly [field: string]: Shape };

const named = (value: unknown) =>
  value === undefined
    ? "missing"
    : Array.isArray(value)
    ? "a list"
    : typeof value === "object" && value
    ? "an object"
    : value;

/** What of a value is not of a shape, in words; null if all is. */
export function misfit(value: unknown, shape: Shape, where = "it"): string | null {
  const failed = (wanted: string) => `${where} must be ${wanted}, current is ${named(value)}`;
  if (typeof shape === "string") {
    if (shape === "anything" || typeof value === shape) return null;
    return failed(`a ${shape}`);
  }
  if (Array.isArray(shape)) {
    if (shape.length === 2) return value === null ? null : misfit(value, shape[1], where);
    if (!Array.isArray(value)) return failed("a list");
    return firstOf(value.map((item, i) => () => misfit(item, shape[0], `${where === "it" ? "" : where}[${i}]`)));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return failed("an object");
  const fields = Object.entries(shape as Record<string, Shape>);
  return firstOf(
    fields.map(([name, inner]) => () =>
      misfit((value as Record<string, unknown>)[name], inner, where === "it" ? name : `${where}.${name}`)
    ),
  );
}

function firstOf(checks: readonly (() => string | null)[]): string | null {
  for (const check of checks) {
    const found = check();
    if (found !== null) return found;
  }
  return null;
}

/**
 * A JSON file of a shape; null if there is none.
 *
 * @throws {Error} If it cannot be read, is no JSON or of another shape; the message names the file and the field.
 */
export async function readRecord<T>(path: string, shape: Shape): Promise<T | null> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new Error(`Cannot read "${path}": ${(error as Error).message}`);
  }
  let value: T;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot read "${path}": it must be JSON, ${(error as Error).message}`);
  }
  const why = misfit(value, shape);
  if (why !== null) throw new Error(`Cannot read "${path}": ${why}`);
  return value;
}
