// One run on a shared WebSocket: what its frames mean, and its events until they are read.

import { told, uncertain } from "./errors.js";
import { isNew, sibling } from "./position.js";
import { TERMINAL_TYPES } from "./snapshot.js";

/** @import {Item, Source} from "./run.js" */

/**
 * @typedef {object} Link the socket, as a channel sees it
 * @property {(channel: Channel) => void} join
 * @property {(channel: Channel) => void} leave
 * @property {(frame: object) => boolean} send whether it could be sent now
 * @property {{status: (runId: string) => Promise<{status: string}>,
 *   cancel: (runId: string) => Promise<{run_id: string, status: string}>}} http
 */

/** @implements {Source} */
export class Channel {
  #link;
  #body;
  #sent = false;
  /** @type {string | undefined} */
  #runId;
  /** @type {string | undefined} */
  #last;
  /** @type {Item[]} */
  #unread = [];
  #over = false;
  /** @type {unknown} */
  #error;
  /** What is waited for: an event, or the end. @type {Set<() => void>} */
  #waiting = new Set();
  #cancelling = false;
  /** @type {string | undefined} */
  #status;
  #named = (/** @type {string} */ _runId) => {};

  /**
   * @param {string} id our name for it on the socket
   * @param {Link} link
   * @param {{body?: object, runId?: string, since?: string}} what as for `HttpReading`
   */
  constructor(id, link, { body, runId, since }) {
    this.id = id;
    this.#link = link;
    this.#body = body;
    this.#runId = runId;
    this.#last = since;
  }

  /**
   * @param {AbortSignal} signal
   * @param {(runId: string) => void} named
   * @returns {AsyncGenerator<Item, void, void>}
   */
  async *items(signal, named) {
    this.#named = named;
    const leave = () => this.#leave();
    signal.addEventListener("abort", leave);
    try {
      this.#link.join(this);
      for (;;) {
        const unread = this.#unread;
        this.#unread = [];
        for (const item of unread) {
          signal.throwIfAborted();
          yield item;
        }
        signal.throwIfAborted();
        if (this.#unread.length > 0) continue;
        if (this.#error) throw this.#error;
        if (this.#over) return;
        await this.#change();
      }
    } finally {
      signal.removeEventListener("abort", leave);
      this.#leave();
    }
  }

  /**
   * By a frame while the socket is read, so that the answer comes after the last event; else by POST.
   *
   * @param {string} runId
   */
  async cancel(runId) {
    if (this.#over || !this.#link.send(this.#cancelFrame())) return this.#link.http.cancel(runId);
    this.#cancelling = true;
    while (!this.#over) await this.#change();
    if (this.#error) throw this.#error;
    return { run_id: runId, status: this.#status ?? (await this.#link.http.status(runId)).status };
  }

  /** What is said on a new connection, so that this run goes on there. */
  opening() {
    /** @type {object[]} */
    const frames = [];
    if (this.#runId === undefined) frames.push({ ...this.#body, op: "start", id: this.id });
    else frames.push({ op: "subscribe", id: this.id, run_id: this.#runId, since: this.#last });
    if (this.#cancelling) frames.push(this.#cancelFrame());
    this.#sent = true;
    return frames;
  }

  /** The connection is gone; a start that nobody answered is not sent twice. */
  lost(/** @type {unknown} */ cause) {
    if (this.#sent && this.#runId === undefined) this.fail(uncertain(cause));
  }

  /** Whether its start, if it was sent, was answered. */
  get answered() {
    return this.#runId !== undefined || !this.#sent;
  }

  /** @param {unknown} error */
  fail(error) {
    this.#error ??= error;
    this.#end();
  }

  /**
   * @param {any} frame one of the server's, for this channel
   */
  take(frame) {
    if (frame.error) return this.fail(told(frame.error));
    const { events = [], last_event_id } = frame;
    this.#name(frame.run_id ?? events[0]?.run_id);
    try {
      for (const event of events) {
        const id = last_event_id && sibling(last_event_id, event.seq);
        if (id !== undefined && !isNew(id, this.#last)) continue;
        this.#last = id ?? this.#last;
        this.#unread.push({ id, event });
        if (TERMINAL_TYPES.has(event.type)) {
          this.#status = event.type.slice("run.".length);
          this.#end();
        }
      }
    } catch (error) {
      this.#error ??= error;
      return this.#leave();
    }
    if (frame.op === "end") this.#end();
    this.#wake();
  }

  /** @param {string | undefined} runId */
  #name(runId) {
    if (runId === undefined || this.#runId !== undefined) return;
    this.#runId = runId;
    this.#named(runId);
  }

  #cancelFrame() {
    return { op: "cancel", id: this.id };
  }

  #leave() {
    if (!this.#over) this.#link.send({ op: "unsubscribe", id: this.id });
    this.#end();
  }

  #end() {
    if (this.#over) return;
    this.#over = true;
    this.#link.leave(this);
    this.#wake();
  }

  /** @returns {Promise<void>} */
  #change() {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake() {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

