// When to ask again: exponential backoff with full jitter,
// https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

import { StreamkitError } from "./errors.js";

/** @import {Cut} from "./errors.js" */

const LONGEST_TIMER_MS = 2 ** 31 - 1; // a longer one would fire at once

/** Counts the failures of one reader since it last heard something, and waits after each. */
export class Backoff {
  #retries;
  #base;
  #max;
  #random;
  #failures = 0;

  /** @param {{retries: number, base: number, max: number, random: () => number}} options */
  constructor({ retries, base, max, random }) {
    this.#retries = retries;
    this.#base = base;
    this.#max = max;
    this.#random = random;
  }

  /** Something came: what fails from now on is a first failure. */
  heard() {
    this.#failures = 0;
  }

  /** @param {number} ms the server's own reconnection time, instead of ours */
  reconnection(ms) {
    this.#base = ms;
  }

  /**
   * Wait until it is time to try again; never less than the cut asks for.
   *
   * @param {Cut} cut
   * @param {AbortSignal} signal ends the wait, with its reason
   * @throws {StreamkitError} `connection_lost`, when it was tried often enough
   */
  async wait(cut, signal) {
    if (this.#failures >= this.#retries) {
      throw new StreamkitError(
        "connection_lost",
        this.#retries === 0 ? cut.message : `${cut.message}; gave up after ${this.#retries} retries in a row`,
        { retryAfter: cut.wait || undefined, cause: cut.cause },
      );
    }
    const most = Math.min(this.#max, this.#base * 2 ** this.#failures);
    this.#failures += 1;
    await sleep(cut.wait + this.#random() * most, signal);
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, Math.min(ms, LONGEST_TIMER_MS));
    signal.addEventListener("abort", stop, { once: true });
  });
}
