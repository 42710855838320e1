/**
 * A client for the routes of `streamkit_router`. The events are those of `events.d.ts`, which is
 * generated from the Python classes.
 */
import type {
  ErrorInfo,
  InterruptInfo,
  JSONValue,
  RunCancelled,
  StreamEvent,
  Timing,
  Usage,
} from "../../schema/events.d.ts";

export type * from "../../schema/events.d.ts";

export interface StreamkitOptions {
  /** Sent with every request; a function is asked before each, so that a token can be a fresh one; what it throws ends the reading. */
  headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>);
  /** Of cookies; `same-origin` unless said otherwise. */
  credentials?: RequestCredentials;
  fetch?: typeof fetch;
  /** For Node.js before 22, which has none. */
  WebSocket?: typeof WebSocket;
  /** How often in a row a stream that was cut is asked for again, without anything new between; 10. 0: never. */
  retries?: number;
  /**
   * The wait before retry n (0, 1, …) is random in [0, min(max, base * 2**n)] milliseconds, after what
   * the server asked for (`bye`, Retry-After). `base` (500) gives way to the server's `retry:`; `max`: 30 000.
   */
  backoff?: { base?: number; max?: number; random?: () => number };
  /** Milliseconds without a byte, not even a ping, after which a connection counts as cut; 60 000. */
  silence?: number;
}

export interface RunOptions {
  /** What the graph takes; any JSON. */
  input?: unknown;
  threadId?: string;
  metadata?: Record<string, unknown>;
  /** Answers by interrupt_id, for a run that was interrupted. */
  resume?: Record<string, unknown>;
  /** Ends the reading, which then throws its reason; the run goes on or ends as the server has it. */
  signal?: AbortSignal;
}

export interface ReadOptions {
  /** The position to go on after, a `lastEventId`; else from the first event. */
  since?: string;
  signal?: AbortSignal;
}

export interface SocketOptions {
  /** Subprotocols; a function is asked before each connection, so that a ticket can be a fresh one. */
  protocols?: string[] | (() => string[] | Promise<string[]>);
}

export type Outcome = "finished" | "interrupted" | "failed" | "cancelled";

export interface RunStatus {
  run_id: string;
  thread_id: string;
  status: "running" | Outcome;
  last_event_id: string;
  interrupts?: InterruptInfo[];
  error?: ErrorInfo;
}

export interface ThreadMessages {
  thread_id: string;
  messages: { [key: string]: JSONValue }[];
  interrupts: InterruptInfo[];
}

export interface Block {
  kind: "text" | "reasoning" | "tool_call" | "content";
  index: number;
  /** So far; of a tool call, the JSON text of its arguments. */
  text: string;
  tool_call_id?: string;
  content?: { [key: string]: JSONValue };
}

export interface ToolCall {
  tool_call_id: string;
  name: string;
  /** As in Python's `ToolCallView`. */
  status:
    | "streaming"
    | "requested"
    | "running"
    | "finished"
    | "suspended"
    | "handed_off"
    | "cancelled"
    | "failed"
    | "dropped";
  args?: { [key: string]: JSONValue };
  output?: JSONValue;
  /** The text the model sees. */
  content?: string;
  error?: ErrorInfo;
}

export interface Message {
  message_id: string;
  role: string;
  name?: string;
  audience: "user" | "internal";
  /** What was said in an `aborted` or `retracted` message is to be dropped, or struck through. */
  status: "open" | "finished" | "aborted" | "retracted";
  /** Visible text so far. */
  readonly text: string;
  /** Thinking text so far. */
  readonly reasoning: string;
  blocks: Block[];
  tool_calls: ToolCall[];
}

/** Events folded to what a page shows. It knows what it was fed: a reading `since` lacks what was before. */
export declare class RunSnapshot {
  outcome: "pending" | "running" | Outcome;
  messages: Message[];
  interrupts: InterruptInfo[];
  output: JSONValue | undefined;
  error: ErrorInfo | undefined;
  /** Who stopped a cancelled run. */
  reason: RunCancelled["reason"] | undefined;
  usage: Usage | undefined;
  timing: Timing | undefined;
  /** The text of the last whole answer for the user; "" without one. */
  get text(): string;
  feed(event: StreamEvent): void;
}

/**
 * One run, begun when it is first read or asked for something; read once.
 *
 * Every event comes once and in order, whatever happens to the connection: it is taken up again after
 * the last event. Leaving the loop closes the connection.
 */
export interface StreamkitRun extends AsyncIterable<StreamEvent> {
  /** Once the server has named it; see `started`. */
  readonly runId: string | undefined;
  /** Once `run.started` was read. */
  readonly threadId: string | undefined;
  /** Of the last event read: the `since` of a later reading. */
  readonly lastEventId: string | undefined;
  /** Of the events read. */
  readonly snapshot: RunSnapshot;
  /** Begins it; resolves to its id. */
  started(): Promise<string>;
  /**
   * Stops it at its source; resolves when the server says so. Its events go on to `run.cancelled`.
   *
   * @throws {TypeError} for a run that has not begun
   */
  cancel(): Promise<{ run_id: string; status: string }>;
  /**
   * The snapshot of the whole run, finished or interrupted; reads it if nobody does.
   *
   * @throws {StreamkitError} `cancelled`; the run's own code (`model_error`, …) for a failed one; `left`
   */
  result(): Promise<RunSnapshot>;
}

/**
 * Why a run cannot be begun, read or stopped.
 *
 * `code` is the server's (`run_gone`, `replay_gap`, `thread_busy`, …) or one of ours:
 * `connection_lost` (retries used up; go on with `events(runId, {since: lastEventId})`),
 * `start_uncertain` (nobody answered: the run may have begun), `unreachable`, `not_a_stream`,
 * `bad_frame`, `left`, `closed`, `http_<status>`.
 */
export declare class StreamkitError extends Error {
  constructor(code: string, message: string, more?: Partial<Omit<StreamkitError, "code">>);
  name: string;
  code: string;
  /** Of the HTTP answer. */
  status: number | undefined;
  /** Milliseconds. */
  retryAfter: number | undefined;
  runId: string | undefined;
  lastEventId: string | undefined;
  /** The server's error object: `oldest` of a `replay_gap`, … */
  details: Record<string, unknown>;
}

/** Runs over one WebSocket, opened for the first of them, and again after every cut. */
export interface StreamkitSocket {
  /** As `StreamkitClient.run`. */
  run(options: RunOptions): StreamkitRun;
  /** As `StreamkitClient.events`. */
  subscribe(runId: string, options?: ReadOptions): StreamkitRun;
  /** Ends all readings with the error `closed`; the runs go on or end as the server has it. */
  close(): void;
}

export declare class StreamkitClient {
  /** @param baseUrl where the router is mounted: `"/chat"`, `"https://host/chat"`; the page's own root by default */
  constructor(baseUrl?: string | URL, options?: StreamkitOptions);
  /**
   * A new run, or the resumption of an interrupted one. It is begun by exactly one POST.
   *
   * @throws {TypeError} for an unknown option
   */
  run(options: RunOptions): StreamkitRun;
  /** A run that was begun before, by anybody of the same user. */
  events(runId: string, options?: ReadOptions): StreamkitRun;
  status(runId: string): Promise<RunStatus>;
  cancel(runId: string): Promise<{ run_id: string; status: string }>;
  messages(threadId: string): Promise<ThreadMessages>;
  /** The run that goes on in a conversation, to be read from its first event. */
  activeRun(threadId: string): Promise<StreamkitRun | undefined>;
  socket(options?: SocketOptions): StreamkitSocket;
}
