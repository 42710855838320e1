// What the scripts that run others' clients share: each line on stdin is a question, each line on
// stdout its answer, both JSON.
import { createInterface } from "node:readline";

/** What the console was told since the last question. */
export const warned = [];
for (const name of ["warn", "error"]) console[name] = (...what) => warned.push(what.join(" "));

/** Answers every question until stdin ends; a function that throws has `failed`. */
export async function answerWith(play) {
  for await (const line of createInterface({ input: process.stdin })) {
    warned.length = 0;
    let answer;
    try {
      answer = await play(JSON.parse(line));
    } catch (error) {
      answer = { failed: String(error?.stack ?? error) };
    }
    process.stdout.write(JSON.stringify({ ...answer, warned }) + "\n");
  }
}
