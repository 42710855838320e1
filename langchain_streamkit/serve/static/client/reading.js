// One run read over HTTP: begun by one POST, or taken up by a GET; after a cut taken up again.

import { Cut, StreamkitError, parsed, told, uncertain } from "./errors.js";
import { framesOf } from "./frames.js";
import { isNew } from "./position.js";
import { TERMINAL_TYPES } from "./snapshot.js";

/**
 * @import {Http} from "./http.js"
 * @import {Item, Source} from "./run.js"
 */

/** @param {string} runId */
export const pathOf = (runId) => `/runs/${encodeURIComponent(runId)}`;

/**
 * Whether the server itself said that it begins no run; a gateway's 502 says nothing of the kind.
 *
 * @param {unknown} error
 */
const isAnswer = (error) =>
  error instanceof StreamkitError && (error.details.code !== undefined || (error.status ?? 0) < 500);

/** @implements {Source} */
export class HttpReading {
  #http;
  #body;
  #backoff;
  /** @type {string | undefined} */
  #runId;
  /** @type {string | undefined} */
  #last;
  /** @type {number | undefined} */
  #retry;
  #over = false;

  /**
   * Either `body`, of a run to begin, or the `runId` of one to take up, `since` a position.
   *
   * @param {Http} http
   * @param {{body?: object, runId?: string, since?: string}} what
   */
  constructor(http, { body, runId, since }) {
    this.#http = http;
    this.#body = body;
    this.#runId = runId;
    this.#last = since;
    this.#backoff = http.backoff();
  }

  /**
   * @param {AbortSignal} signal
   * @param {(runId: string) => void} named
   * @returns {AsyncGenerator<Item, void, void>}
   */
  async *items(signal, named) {
    if (this.#runId !== undefined) named(this.#runId);
    for (;;) {
      try {
        const response = await this.#connect(signal, named);
        if (!response) return;
        yield* this.#itemsOf(response, signal, named);
        if (this.#over) return;
        throw new Cut("the connection closed before the run had ended");
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof Cut)) throw error;
        if (this.#over) return; // only the farewell was lost
        if (this.#runId === undefined) throw uncertain(error.cause ?? error);
        await this.#backoff.wait(error, signal);
      }
    }
  }

  /** @param {string} runId */
  cancel(runId) {
    return this.#http.json("POST", `${pathOf(runId)}/cancel`, { keepalive: true });
  }

  /**
   * @param {AbortSignal} signal
   * @param {(runId: string) => void} named
   */
  async #connect(signal, named) {
    if (this.#runId !== undefined) {
      return this.#http.stream("GET", `${pathOf(this.#runId)}/events`, { lastEventId: this.#last, signal });
    }
    const response = await this.#http.stream("POST", "/runs", { body: this.#body, signal }).catch((error) => {
      throw error instanceof Cut && isAnswer(error.cause) ? error.cause : error;
    });
    const runId = response?.headers.get("x-run-id");
    if (runId) named((this.#runId = runId));
    return response;
  }

  /**
   * @param {Response} response
   * @param {AbortSignal} signal
   * @param {(runId: string) => void} named
   * @returns {AsyncGenerator<Item, void, void>}
   */
  async *#itemsOf(response, signal, named) {
    const frames = framesOf(response, {
      silence: this.#http.silence,
      onRetry: (ms) => this.#backoff.reconnection((this.#retry = ms)),
      onPing: () => this.#backoff.heard(),
    });
    for await (const frame of frames) {
      signal.throwIfAborted();
      switch (frame.event) {
        case "end":
          this.#over = true;
          return;
        case "bye":
          throw new Cut("the server went away", { wait: this.#retry });
        case "gone":
          throw told(parsed(frame.data).error);
        case undefined:
        case "message": {
          if (frame.id !== undefined && !isNew(frame.id, this.#last)) break;
          this.#backoff.heard();
          const event = parsed(frame.data);
          this.#last = frame.id ?? this.#last;
          if (this.#runId === undefined && event.run_id) named((this.#runId = event.run_id));
          if (TERMINAL_TYPES.has(event.type)) this.#over = true;
          yield { id: this.#last, event };
        }
      }
    }
  }
}
