// What a reader is told when a run cannot be read, begun or stopped.

/** Sorts of failure after which the same position can be asked for again. */
const PASSING = new Set([408, 425, 429]);

/**
 * `code`: the server's word, or one of ours: `connection_lost` (retries used up), `start_uncertain`
 * (the run may have begun), `not_a_stream`, `bad_frame`, `left`, `closed`, `http_<status>`.
 * `status`: of the HTTP answer. `retryAfter`: milliseconds. `details`: the server's error object.
 */
export class StreamkitError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{status?: number, retryAfter?: number, runId?: string, lastEventId?: string,
   *   details?: Record<string, unknown>, cause?: unknown}} [more]
   */
  constructor(code, message, { status, retryAfter, runId, lastEventId, details = {}, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StreamkitError";
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
    this.runId = runId;
    this.lastEventId = lastEventId;
    this.details = details;
  }
}

/** The connection broke, or the server cannot answer now: worth asking again. Never leaves the client. */
export class Cut extends Error {
  /**
   * @param {string} message
   * @param {{cause?: unknown, wait?: number}} [more] `wait`: milliseconds the server asks for
   */
  constructor(message, { cause, wait = 0 } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.wait = wait;
  }
}

/**
 * The error an object `{"code", "message", ...}` of the server stands for.
 *
 * @param {any} error
 * @param {{status?: number, retryAfter?: number}} [more]
 */
export function told(error, { status, retryAfter } = {}) {
  const { code, message } = error ?? {};
  return new StreamkitError(
    typeof code === "string" ? code : status === undefined ? "unknown" : `http_${status}`,
    typeof message === "string" ? message : `the server answered ${status ?? "with an error"}`,
    { status, retryAfter, runId: error?.run_id, details: error ?? {} },
  );
}

/**
 * The error an HTTP answer stands for; its body is read.
 *
 * @param {Response} response
 */
export async function refused(response) {
  const body = await response.json().catch(() => undefined);
  return told(body?.error, { status: response.status, retryAfter: retryAfter(response.headers) });
}

/**
 * The error for a run whose start was sent and never answered.
 *
 * @param {unknown} cause
 */
export function uncertain(cause) {
  return new StreamkitError(
    "start_uncertain",
    "the connection was lost before the server named the run; it may have begun, so it is not sent again: " +
      "look for it with activeRun(threadId) or messages(threadId)",
    { cause },
  );
}

/**
 * What a JSON text says.
 *
 * @param {string} data
 * @returns {any}
 */
export function parsed(data) {
  try {
    return JSON.parse(data);
  } catch (cause) {
    throw new StreamkitError("bad_frame", `the server sent what is no JSON: ${data.slice(0, 80)}`, { cause });
  }
}

/** @param {StreamkitError} error whether the same request may be answered later */
export const passes = ({ status = 0 }) => status >= 500 || PASSING.has(status);

/**
 * Milliseconds, out of seconds or a date.
 *
 * @param {Headers} headers
 */
function retryAfter(headers) {
  const value = headers.get("retry-after");
  if (!value) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
