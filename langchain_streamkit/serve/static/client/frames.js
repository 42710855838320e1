// Server-sent events out of the body of a fetch(): EventSource sends no POST and no headers.

import { createParser } from "../vendor/eventsource-parser.js";
import { Cut } from "./errors.js";

/**
 * @typedef {{event?: string, id?: string, data: string}} Frame
 *
 * @typedef {object} Listening
 * @property {number} silence milliseconds without a byte after which the connection counts as dead
 * @property {(ms: number) => void} [onRetry] the server's reconnection time
 * @property {() => void} [onPing] the server is there, and has nothing to say
 */

/**
 * The whole frames of a response, however its bytes are cut; what is left open at the end is dropped.
 *
 * Leaving the loop closes the connection.
 *
 * @param {Response} response
 * @param {Listening} listening
 * @returns {AsyncGenerator<Frame, void, void>}
 * @throws {Cut} when the connection broke or fell silent
 */
export async function* framesOf(response, { silence, onRetry, onPing }) {
  /** @type {Frame[]} */
  let ready = [];
  const parser = createParser({
    onEvent: (/** @type {Frame} */ frame) => ready.push(frame),
    onComment: (/** @type {string} */ text) => text === "ping" && onPing?.(),
    onRetry,
  });
  const decoder = new TextDecoder();
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  try {
    for (;;) {
      const { done, value } = await readWithin(reader, silence);
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      const frames = ready;
      ready = [];
      yield* frames;
    }
  } finally {
    reader.cancel().catch(() => {}); // it is gone already when reading failed
  }
}

/**
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {number} ms
 */
async function readWithin(reader, ms) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const silent = new Promise((_, reject) => {
    if (ms < Infinity) timer = setTimeout(() => reject(new Cut(`nothing came for ${ms} ms`)), ms);
  });
  try {
    return await /** @type {ReturnType<typeof reader.read>} */ (Promise.race([reader.read(), silent]));
  } catch (cause) {
    throw cause instanceof Cut ? cause : new Cut("the connection broke", { cause });
  } finally {
    clearTimeout(timer);
  }
}
