// What a client says to begin a run.

/** @import {RunOptions} from "../streamkit.js" */

const NAMES = { input: "input", threadId: "thread_id", metadata: "metadata", resume: "resume" };

/**
 * The body of a start, out of the options of `run()`.
 *
 * @param {RunOptions} options
 * @returns {Record<string, unknown>}
 * @throws {TypeError} for an option that there is not
 */
export function startBody(options) {
  const body = /** @type {Record<string, unknown>} */ ({});
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(NAMES, option)) {
      throw new TypeError(`run() has no option ${option}; it takes ${Object.keys(NAMES).join(", ")} and signal`);
    }
    if (value !== undefined) body[NAMES[/** @type {keyof typeof NAMES} */ (option)]] = value;
  }
  return body;
}
