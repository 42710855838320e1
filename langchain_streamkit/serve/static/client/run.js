// The handle of one run: begun when it is first asked for something, read once.

import { StreamkitError } from "./errors.js";
import { RunSnapshot } from "./snapshot.js";

/** @import {ErrorInfo, RunStatus, StreamEvent, StreamkitRun} from "../streamkit.js" */

/**
 * @typedef {{id: string | undefined, event: StreamEvent}} Item
 */

/**
 * Where the events of a run come from.
 *
 * @typedef {object} Source
 * @property {(signal: AbortSignal, named: (runId: string) => void) => AsyncGenerator<Item, void, void>} items
 *   Each event once, to the end, or an error; begins when it is first asked. `named`: the run has this id.
 * @property {(runId: string) => Promise<{run_id: string, status: string}>} cancel
 */

/** @template T */
class Deferred {
  /** @type {(value: T) => void} */
  resolve = () => {};
  /** @type {(error: unknown) => void} */
  reject = () => {};

  constructor() {
    /** @type {Promise<T>} */
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => {}); // whether anybody asks or not
  }
}

/** @implements {StreamkitRun} */
export class Run {
  /** @type {string | undefined} */
  runId;
  /** @type {string | undefined} */
  threadId;
  /** @type {string | undefined} */
  lastEventId;
  snapshot = new RunSnapshot();

  #source;
  #status;
  #signal;
  #left = new AbortController();
  /** @type {AsyncGenerator<Item, void, void> | undefined} */
  #items;
  /** Asked for by started(), to be given first. @type {Promise<IteratorResult<Item, void>> | undefined} */
  #ahead;
  #read = false;
  /** @type {Deferred<string>} */
  #named = new Deferred();
  /** @type {Deferred<void>} */
  #ended = new Deferred();

  /**
   * @param {Source} source
   * @param {{status: (runId: string) => Promise<RunStatus>, runId?: string, since?: string, signal?: AbortSignal}} about
   */
  constructor(source, { status, runId, since, signal }) {
    this.#source = source;
    this.#status = status;
    this.runId = runId;
    this.lastEventId = since;
    this.#signal = signal ? AbortSignal.any([signal, this.#left.signal]) : this.#left.signal;
  }

  async started() {
    if (this.runId !== undefined) return this.runId;
    if (!this.#items) {
      this.#ahead = this.#begin().next();
      this.#ahead.catch((error) => this.#fail(error));
    }
    return this.#named.promise;
  }

  [Symbol.asyncIterator]() {
    if (this.#read) {
      throw new TypeError("a run is read once; keep its events, or read it again with client.events(run.runId)");
    }
    this.#read = true;
    return {
      next: () => this.#next(),
      return: () => this.#leave(),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  async result() {
    if (this.#read) await this.#ended.promise;
    else for await (const _ of this);
    const { snapshot } = this;
    if (snapshot.outcome === "pending" || snapshot.outcome === "running") await this.#lookUp();
    if (snapshot.outcome === "failed") {
      const { code, message } = /** @type {ErrorInfo} */ (snapshot.error);
      throw this.#about(new StreamkitError(code, message, { details: { ...snapshot.error } }));
    }
    if (snapshot.outcome === "cancelled") {
      const by = snapshot.reason ? ` by ${snapshot.reason}` : "";
      throw this.#about(new StreamkitError("cancelled", `the run was stopped${by}`));
    }
    return snapshot;
  }

  async cancel() {
    if (!this.#items && this.runId === undefined) {
      throw new TypeError("the run has not begun: there is nothing to cancel");
    }
    return this.#source.cancel(await this.started());
  }

  #begin() {
    this.#items ??= this.#source.items(this.#signal, (runId) => {
      this.runId = runId;
      this.#named.resolve(runId);
    });
    return this.#items;
  }

  /** @returns {Promise<IteratorResult<StreamEvent, undefined>>} */
  async #next() {
    const over = { done: /** @type {const} */ (true), value: undefined };
    if (this.#left.signal.aborted) return over;
    try {
      const asked = this.#ahead ?? this.#begin().next();
      this.#ahead = undefined;
      const { done, value } = await asked;
      if (done) {
        this.#ended.resolve();
        return over;
      }
      const { id, event } = value;
      this.lastEventId = id ?? this.lastEventId;
      if (event.type === "run.started") this.threadId = event.thread_id ?? undefined;
      this.snapshot.feed(event);
      return { done: false, value: event };
    } catch (error) {
      if (this.#left.signal.aborted) return over;
      throw this.#fail(error);
    }
  }

  /** @returns {Promise<IteratorResult<StreamEvent, undefined>>} */
  async #leave() {
    this.#fail(new StreamkitError("left", "the loop that read this run was left before its end"));
    this.#left.abort();
    await this.#items?.return().catch(() => {});
    return { done: true, value: undefined };
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#about(error);
    this.#named.reject(error);
    this.#ended.reject(error);
    return error;
  }

  /**
   * @template E
   * @param {E} error
   */
  #about(error) {
    if (error instanceof StreamkitError) {
      error.runId ??= this.runId;
      error.lastEventId ??= this.lastEventId;
    }
    return error;
  }

  /** How a run ended whose end was read before: the stream has nothing more, the server knows. */
  async #lookUp() {
    const { status, error, interrupts = [] } = await this.#status(await this.started());
    this.snapshot.outcome = status;
    this.snapshot.error = error;
    this.snapshot.interrupts = interrupts;
  }
}
