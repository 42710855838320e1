// A client for the routes of `streamkit_router`: begin runs, read them, take them up again, stop them.
// An ES module without a build step; the types are in streamkit.d.ts.

import { Http } from "./client/http.js";
import { HttpReading, pathOf } from "./client/reading.js";
import { Run } from "./client/run.js";
import { Socket } from "./client/socket.js";
import { startBody } from "./client/start.js";

/**
 * @import {ReadOptions, RunOptions, SocketOptions, StreamkitOptions} from "./streamkit.js"
 * @import {StreamkitClient as ClientType} from "./streamkit.js"
 */

export { StreamkitError } from "./client/errors.js";
export { RunSnapshot } from "./client/snapshot.js";

/** @implements {ClientType} */
export class StreamkitClient {
  #http;
  #options;

  /**
   * @param {string | URL} [baseUrl]
   * @param {StreamkitOptions} [options]
   */
  constructor(baseUrl = "", options = {}) {
    this.#http = new Http(baseUrl, options);
    this.#options = options;
  }

  /** @param {RunOptions} options */
  run({ signal, ...what }) {
    const source = new HttpReading(this.#http, { body: startBody(what) });
    return new Run(source, { status: this.#status, signal });
  }

  /**
   * @param {string} runId
   * @param {ReadOptions} [options]
   */
  events(runId, { since, signal } = {}) {
    const source = new HttpReading(this.#http, { runId, since });
    return new Run(source, { status: this.#status, runId, since, signal });
  }

  /** @param {string} runId */
  status(runId) {
    return this.#status(runId);
  }

  /** @param {string} runId */
  cancel(runId) {
    return this.#http.json("POST", `${pathOf(runId)}/cancel`, { keepalive: true });
  }

  /** @param {string} threadId */
  messages(threadId) {
    return this.#http.json("GET", `/threads/${encodeURIComponent(threadId)}/messages`);
  }

  /** @param {string} threadId */
  async activeRun(threadId) {
    const found = await this.#http.json("GET", `/threads/${encodeURIComponent(threadId)}/run`);
    return found ? this.events(found.run_id) : undefined;
  }

  /** @param {SocketOptions} [options] */
  socket(options = {}) {
    return new Socket(this.#http, this.#options.WebSocket, options, {
      status: this.#status,
      cancel: (runId) => this.cancel(runId),
    });
  }

  #status = (/** @type {string} */ runId) => this.#http.json("GET", pathOf(runId));
}
