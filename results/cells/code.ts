/**
 * A file's code as what its results depend on: without comments, types that it imports, and words of errors, and with the places
 * of the paths that it names.
 *
 * @module
 */

/** A piece of code, or the path of a file that the code takes in. */
export type CodePart = string | { path: string };

/** Words after which a slash begins a regular expression. */
const beforeRegex = new Set("return typeof case in of do else void delete instanceof new throw yield await".split(" "));
const regexLiteral = /\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
const templateChunk = /[`}](?:\\[^]|[^\\`$]|\$(?!\{))*(?:`|\$\{)/y;
const blank = /(?:\s|\/\/.*|\/\*[^]*?\*\/)+/y;
const piece = new RegExp(
  [
    /"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*'/, // Strings.
    /\.?\d(?:[eE][+-]?\d|[\w.])*/, // Numbers.
    /#?[\w$\u0080-\uffff]+/, // Words.
    /[-+*/%&|^!=<>?]*=(?!>)|=>|>>>?|<<|&&|\|\||\?\?|\?\.|\+\+|--|\*\*|\.\.\.|[^]/, // Signs.
  ].map(({ source }) => source).join("|"),
  "y",
);

/** Words, strings, chunks of templates and signs; no comments. */
export function codeTokens(source: string): string[] {
  const text = source.replaceAll("\r\n", "\n");
  const tokens: string[] = [];
  /** Braces open within each `${` around this place. */
  const open: number[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  for (;;) {
    at += take(blank)?.[0].length ?? 0;
    if (at === text.length) return tokens;
    const last = tokens.at(-1) ?? "";
    const found = text[at] === "`" || text[at] === "}" && open.at(-1) === 0
      ? take(templateChunk)
      : text[at] === "/" && (!/[\w$)\]}"'`\u0080-\uffff]$/.test(last) || beforeRegex.has(last))
      ? take(regexLiteral)
      : null;
    const [token] = found ?? take(piece)!;
    at += token.length;
    tokens.push(token);
    if (found && token.endsWith("${")) {
      if (token[0] === "`") open.push(0);
    } else if (found && token[0] === "}") open.pop();
    else if (token === "{" && open.length > 0) open[open.length - 1]++;
    else if (token === "}" && open.length > 0) open[open.length - 1]--;
  }
}

const isString = (token: string | undefined) => token !== undefined && /^["']/.test(token);

/** Where the imports or exports that start at `from` name their module; -1 if they name none. */
function specifierOf(tokens: readonly string[], from: number): number {
  for (let i = from + 1; i < tokens.length; i++) {
    if (isString(tokens[i])) return i;
    if (tokens[i] === ";" || tokens[i] === "(" || tokens[i] === "=") return -1;
  }
  return -1;
}

/** Whether an `import` or `export` clause is of types alone. */
function isOfTypes(clause: readonly string[]): boolean {
  if (clause[0] === "type" && clause[1] !== "from" && clause[1] !== ",") return true;
  const names = clause.slice(clause.indexOf("{") + 1, clause.lastIndexOf("}")).join(" ").split(",");
  return clause[0] === "{" && names.every((name) => /^\s*(type .*)?$/.test(name));
}

/** The parts of a file's code. */
export function codeParts(source: string): CodePart[] {
  const tokens = codeTokens(source);
  const parts: CodePart[] = [];
  /** Parentheses open within `new Error(`; 0 outside. */
  let inError = 0;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    const [next, after] = [tokens[i + 1], tokens[i + 2]];
    const statement =
      (token === "import" && next !== "(" && next !== "." || token === "export" && /^[{*t]/.test(next)) &&
      tokens[i - 1] !== ".";
    const specifier = statement ? specifierOf(tokens, i) : -1;
    if (specifier >= 0 && (token === "import" || tokens[specifier - 1] === "from")) {
      const clause = tokens.slice(i + 1, specifier);
      const typesAlone = isOfTypes(clause);
      if (!typesAlone) parts.push(token, ...clause, { path: tokens[specifier].slice(1, -1) });
      i = specifier + (typesAlone && tokens[specifier + 1] === ";" ? 1 : 0);
    } else if (token === "import" && next === "(" && isString(after)) {
      parts.push("import", "(", { path: after.slice(1, -1) });
      i += 2;
    } else if (token === "new" && next === "URL" && isString(tokens[i + 3]) && tokens[i + 5] === "import") {
      parts.push("new", "URL", "(", { path: tokens[i + 3].slice(1, -1) });
      i += 3;
    } else if (token === "resolve" && next === "(" && tokens[i - 2] === "meta" && isString(after)) {
      parts.push("resolve", "(", { path: after.slice(1, -1) });
      i += 2;
    } else {
      if (inError === 0 && token === "(" && tokens[i - 2] === "new" && tokens[i - 1].endsWith("Error")) inError = 1;
      else if (inError > 0 && token === "(") inError++;
      else if (inError > 0 && token === ")") inError--;
      if (/^[)\]}]$/.test(token) && parts.at(-1) === ",") parts.pop(); // A formatter's.
      const words = inError > 0 && /^["'`]|^\}./.test(token);
      parts.push(words ? `${token[0]}${token.endsWith("${") ? "${" : token[0]}` : token);
    }
  }
  return parts;
}
