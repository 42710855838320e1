// Requests to the routes of a server, with what each of them carries.

import { Backoff } from "./backoff.js";
import { Cut, StreamkitError, passes, refused } from "./errors.js";

/** @import {StreamkitOptions} from "../streamkit.js" */

/**
 * @typedef {object} Asked
 * @property {unknown} [body] sent as JSON
 * @property {string} [accept]
 * @property {string} [lastEventId]
 * @property {boolean} [keepalive] the request outlives the page
 * @property {AbortSignal} [signal]
 */

export class Http {
  #base;
  #options;

  /**
   * @param {string | URL} baseUrl
   * @param {StreamkitOptions} options
   */
  constructor(baseUrl, options) {
    this.#base = String(baseUrl).replace(/\/+$/, "");
    this.#options = options;
  }

  get silence() {
    return this.#options.silence ?? 60_000;
  }

  /** A new count of failures. */
  backoff() {
    const { retries = 10, backoff: { base = 500, max = 30_000, random = Math.random } = {} } = this.#options;
    return new Backoff({ retries, base, max, random });
  }

  /** @param {string} path */
  url(path) {
    return this.#base + path;
  }

  /**
   * A successful answer, of which only the head has been read.
   *
   * @param {"GET" | "POST"} method
   * @param {string} path
   * @param {Asked} [asked]
   * @throws {Cut} when there was none, or one that says "not now"
   * @throws {StreamkitError} when it refuses
   */
  async #ask(method, path, { body, accept = "application/json", lastEventId, keepalive, signal } = {}) {
    const { fetch = globalThis.fetch, headers: more, credentials = "same-origin" } = this.#options;
    const headers = new Headers(typeof more === "function" ? await more() : more);
    headers.set("accept", accept);
    if (body !== undefined) headers.set("content-type", "application/json");
    if (lastEventId !== undefined) headers.set("last-event-id", lastEventId);
    const init = { method, headers, credentials, keepalive, signal, body: JSON.stringify(body) };
    /** @type {Response} */
    let response;
    try {
      response = await fetch(this.url(path), { ...init, cache: "no-store" });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new Cut("the server could not be reached", { cause });
    }
    if (response.ok) return response;
    throw await refused(response);
  }

  /**
   * What a route answers, as JSON; undefined for 204.
   *
   * @param {"GET" | "POST"} method
   * @param {string} path
   * @param {Asked} [asked]
   * @throws {StreamkitError} `unreachable` without an answer; else what the server said
   */
  async json(method, path, asked) {
    try {
      const response = await this.#ask(method, path, asked);
      return response.status === 204 ? undefined : await response.json();
    } catch (error) {
      asked?.signal?.throwIfAborted();
      if (error instanceof Cut) throw new StreamkitError("unreachable", error.message, { cause: error.cause });
      throw error;
    }
  }

  /**
   * A stream of events; undefined for 204: there are no more.
   *
   * @param {"GET" | "POST"} method
   * @param {string} path
   * @param {Asked} [asked]
   * @throws {Cut} when the same may be asked again; `cause` is the server's refusal, if there was one
   * @throws {StreamkitError} when it may not
   */
  async stream(method, path, asked) {
    try {
      const response = await this.#ask(method, path, { ...asked, accept: "text/event-stream" });
      if (response.status === 204) return undefined;
      const type = response.headers.get("content-type") ?? "nothing";
      if (type.startsWith("text/event-stream")) return response;
      await response.body?.cancel();
      throw new StreamkitError("not_a_stream", `${method} ${this.url(path)} gave ${type}, no text/event-stream`, {
        status: response.status,
      });
    } catch (error) {
      if (!(error instanceof StreamkitError && passes(error))) throw error;
      throw new Cut(error.message, { cause: error, wait: error.retryAfter });
    }
  }
}
