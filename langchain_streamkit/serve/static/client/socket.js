// Runs over one WebSocket that is opened when the first of them begins, and again after every cut.

import { Channel } from "./channel.js";
import { Cut, StreamkitError, parsed, passes, told } from "./errors.js";
import { Run } from "./run.js";
import { startBody } from "./start.js";

/**
 * @import {ReadOptions, RunOptions, SocketOptions, StreamkitSocket} from "../streamkit.js"
 * @import {Backoff} from "./backoff.js"
 * @import {Link} from "./channel.js"
 * @import {Http} from "./http.js"
 */

const OPEN = 1;
const POLICY_VIOLATION = 1008;

/** @implements {StreamkitSocket} */
export class Socket {
  #http;
  #WebSocket;
  #protocols;
  #client;
  /** By their names on this socket. @type {Map<string, Channel>} */
  #channels = new Map();
  #names = 0;
  /** @type {WebSocket | undefined} */
  #ws;
  #serving = false;
  #closing = new AbortController();

  /**
   * @param {Http} http
   * @param {typeof globalThis.WebSocket | undefined} WebSocket
   * @param {SocketOptions} options
   * @param {{status: (runId: string) => Promise<any>, cancel: (runId: string) => Promise<any>}} client
   */
  constructor(http, WebSocket, { protocols }, client) {
    this.#http = http;
    this.#WebSocket = WebSocket ?? globalThis.WebSocket;
    this.#protocols = protocols;
    this.#client = client;
    if (!this.#WebSocket) throw new TypeError("there is no WebSocket here; give one to the client: {WebSocket}");
  }

  /** @param {RunOptions} options */
  run({ signal, ...what }) {
    return new Run(this.#channel({ body: startBody(what) }), { status: this.#client.status, signal });
  }

  /**
   * @param {string} runId
   * @param {ReadOptions} [options]
   */
  subscribe(runId, { since, signal } = {}) {
    return new Run(this.#channel({ runId, since }), { status: this.#client.status, runId, since, signal });
  }

  close() {
    const closed = new StreamkitError("closed", "the socket was closed");
    this.#closing.abort(closed);
    this.#failAll(closed);
  }

  /** @param {{body?: object, runId?: string, since?: string}} what */
  #channel(what) {
    this.#names += 1;
    return new Channel(String(this.#names), this.#link, what);
  }

  /** @type {Link} */
  #link = {
    join: (channel) => {
      this.#closing.signal.throwIfAborted();
      this.#channels.set(channel.id, channel);
      if (this.#ws?.readyState === OPEN) this.#introduce(channel);
      else if (!this.#serving) this.#serve();
    },
    leave: (channel) => void this.#channels.delete(channel.id),
    send: (frame) => {
      const open = this.#ws?.readyState === OPEN;
      if (open) this.#ws?.send(JSON.stringify(frame));
      return open;
    },
    http: {
      status: (runId) => this.#client.status(runId),
      cancel: (runId) => this.#client.cancel(runId),
    },
  };

  /** @param {Channel} channel */
  #introduce(channel) {
    for (const frame of channel.opening()) this.#link.send(frame);
  }

  /** @param {unknown} error */
  #failAll(error) {
    for (const channel of [...this.#channels.values()]) channel.fail(error);
  }

  /** Keep a connection as long as there are runs to read; never rejects. */
  async #serve() {
    this.#serving = true;
    const backoff = this.#http.backoff();
    try {
      while (this.#channels.size > 0) {
        const cut = await this.#connection(backoff);
        for (const channel of [...this.#channels.values()]) channel.lost(cut.cause ?? cut);
        if (this.#channels.size > 0) await backoff.wait(cut, this.#closing.signal);
      }
    } catch (error) {
      this.#failAll(error);
    } finally {
      this.#serving = false;
    }
  }

  /**
   * One connection, from its making to its end.
   *
   * @param {Backoff} backoff
   * @returns {Promise<Cut>} why it ended, if another one may do better
   */
  async #connection(backoff) {
    /** @type {WebSocket} */
    let ws;
    try {
      const protocols = typeof this.#protocols === "function" ? await this.#protocols() : this.#protocols;
      this.#closing.signal.throwIfAborted();
      ws = this.#ws = new this.#WebSocket(this.#url(), protocols);
    } catch (cause) {
      this.#closing.signal.throwIfAborted();
      return new Cut("no WebSocket could be opened", { cause });
    }
    try {
      return await this.#listen(ws, backoff);
    } finally {
      this.#ws = undefined;
      ws.onopen = ws.onmessage = ws.onclose = null;
      ws.close();
    }
  }

  /**
   * @param {WebSocket} ws
   * @param {Backoff} backoff
   * @returns {Promise<Cut>}
   */
  async #listen(ws, backoff) {
    const { silence } = this.#http;
    const closing = this.#closing.signal;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let stop = () => {};
    try {
      return await new Promise((resolve, reject) => {
        stop = () => reject(closing.reason);
        closing.addEventListener("abort", stop);
        const watch = () => {
          clearTimeout(timer);
          if (silence < Infinity) timer = setTimeout(() => resolve(new Cut(`nothing came for ${silence} ms`)), silence);
        };
        watch();
        ws.onerror = () => resolve(new Cut("the socket failed")); // Node.js 20 sends no close after it
        ws.onopen = () => {
          for (const channel of this.#channels.values()) this.#introduce(channel);
        };
        ws.onmessage = ({ data }) => {
          watch();
          try {
            const frame = parsed(String(data));
            if (frame.op === "bye") resolve(new Cut("the server went away", { wait: frame.retry_ms }));
            else this.#take(frame, backoff);
          } catch (error) {
            reject(error);
          }
        };
        ws.onclose = ({ code, reason }) => {
          const error = refusal(code, reason);
          if (error) reject(error);
          else resolve(new Cut(`the socket closed (${code})`));
        };
      });
    } finally {
      clearTimeout(timer);
      closing.removeEventListener("abort", stop);
    }
  }

  /**
   * @param {any} frame
   * @param {Backoff} backoff
   */
  #take(frame, backoff) {
    backoff.heard();
    if (frame.op === "ping") {
      this.#link.send({ op: "pong" });
    } else if (frame.id !== undefined) {
      this.#channels.get(frame.id)?.take(frame);
    } else if (frame.error) {
      // A frame that could not be read has no name: it was one of those that wait for an answer.
      for (const channel of [...this.#channels.values()]) if (!channel.answered) channel.take(frame);
    }
  }

  #url() {
    const url = new URL(this.#http.url("/ws"), globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    return url;
  }
}

/**
 * The error a close code stands for; undefined when it is worth coming back. 4400 to 4499 are the
 * statuses of HTTP.
 *
 * @param {number} code
 * @param {string} reason
 */
function refusal(code, reason) {
  const status = code === POLICY_VIOLATION ? 403 : code - 4000;
  if (status < 400 || status > 499) return undefined;
  const error = told({ message: reason || `the server closed the socket (${code})` }, { status });
  return passes(error) ? undefined : error;
}
