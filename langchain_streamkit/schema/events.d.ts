// Generated from the event classes by `python -m langchain_streamkit.schema`; do not edit.

/** What JSON can say. */
export type JSONValue =
  | string
  | number
  | boolean
  | null
  | JSONValue[]
  | { [key: string]: JSONValue };

/** A tool call the model asked for and nobody ran (client-side tools). */
export interface PendingToolCall {
  tool_call_id: string;
  name: string;
  args?: JSONValue;
  message_id?: string | null;
}

/**
 * Tokens of one model call (``call_id`` is its run id), or the sum over a run.
 *
 * ``cost`` is a decimal string in US dollars, ``None`` when unpriced (never 0 for unknown);
 * ``first_token_ms`` counts from the call's start.
 */
export interface Usage {
  call_id: string;
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
  source: "provider" | "counted" | "estimated" | "cache" | "none";
  status?: "ok" | "aborted" | "failed";
  model?: string | null;
  details?: UsageDetails;
  first_token_ms?: number | null;
  cost?: string | null;
  late?: boolean;
}

/**
 * ``duration_ms`` and ``first_token_ms`` since run.started; ``tokens_per_second`` of output
 * between the first token and the end, ``None`` where nothing was streamed or counted.
 */
export interface Timing {
  duration_ms: number;
  first_token_ms?: number | null;
  tokens_per_second?: number | null;
}

/** One pending interrupt; ``interrupt_id`` is the key of its answer in ``resume``. */
export interface InterruptInfo {
  interrupt_id: string;
  payload: JSONValue;
  namespace?: string[];
  tool_call_id?: string | null;
  response_schema?: JSONValue;
}

/**
 * What may be shown of an error. ``message`` is the table's text for ``code``, never the
 * exception's; the exception itself is in the log under ``error_id``.
 */
export interface ErrorInfo {
  code: "model_error" | "rate_limited" | "context_length" | "auth" | "content_policy" | "tool_error" | "graph_error" | "recursion_limit" | "parse_error" | "invalid_input" | "timeout.first_token" | "timeout.idle" | "timeout.total" | "reader_overflow" | "log_unavailable" | "producer_lost" | "internal";
  message: string;
  error_id: string;
  retryable?: boolean;
}

/** Tool-call arguments that are not a JSON object: the text as it came, and what is wrong. */
export interface InvalidArgs {
  text: string;
  error: string;
}

/** Tokens that are also counted in ``input_tokens`` or ``output_tokens``. */
export interface UsageDetails {
  cache_read?: number;
  cache_creation?: number;
  reasoning?: number;
  audio?: number;
}

/** Always first, exactly once. */
export interface RunStarted {
  type: "run.started";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  name: string;
  thread_id?: string | null;
  user?: string | null;
  metadata?: { [key: string]: JSONValue };
  v?: number;
}

/** Terminal: success. */
export interface RunFinished {
  type: "run.finished";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  output?: JSONValue;
  pending_tool_calls?: PendingToolCall[];
  usage: Usage;
  timing: Timing;
}

/** Terminal: paused for a human, resumable. Neither success nor failure. */
export interface RunInterrupted {
  type: "run.interrupted";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  interrupts: InterruptInfo[];
  usage: Usage;
  timing: Timing;
}

/**
 * Terminal: error. ``pending`` names work that could not be stopped, where the run was stopped
 * because of the error (a timeout, say).
 */
export interface RunFailed {
  type: "run.failed";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  error: ErrorInfo;
  pending?: string[];
  usage: Usage;
  timing: Timing;
}

/** Terminal: stopped on purpose. ``pending`` names work that could not be stopped. */
export interface RunCancelled {
  type: "run.cancelled";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  reason: "user" | "disconnect" | "budget" | "shutdown";
  pending?: string[];
  usage: Usage;
  timing: Timing;
}

/** A unit of work begins. ``cause`` is the tool_call_id of the tool run that spawned it. */
export interface StepStarted {
  type: "step.started";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  kind: "graph" | "node" | "chain" | "retriever";
  name: string;
  parent_id?: string | null;
  namespace?: string[];
  langgraph_step?: number | null;
  tags?: string[];
  cause?: string | null;
  description?: string | null;
  input?: JSONValue;
}

/** The unit of work ended without failing: interrupts and hand-offs are outcomes. */
export interface StepFinished {
  type: "step.finished";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  outcome: "ok" | "suspended" | "handed_off" | "cancelled";
  output?: JSONValue;
}

/** The unit of work raised. */
export interface StepFailed {
  type: "step.failed";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  error: ErrorInfo;
}

/** A model, or a node, begins a message. */
export interface MessageStarted {
  type: "message.started";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  role: "assistant" | "user" | "system" | "tool" | "other";
  name?: string | null;
  model?: string | null;
  provider?: string | null;
  attempt?: number;
  audience?: "user" | "internal";
  counting?: "exact" | "estimate" | null;
  metadata?: { [key: string]: JSONValue };
}

/** ``stored_id`` is set when the message ended, or is stored, under another id. */
export interface MessageFinished {
  type: "message.finished";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  stored_id?: string | null;
  finish_reason: "stop" | "length" | "tool_calls" | "content_filter" | "error" | "other";
  raw_finish_reason?: string | null;
  usage?: Usage | null;
}

/** The attempt died in mid-message: readers drop its text. */
export interface MessageAborted {
  type: "message.aborted";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  reason: "error" | "retry" | "cancelled" | "timeout" | "budget";
  usage?: Usage | null;
}

/** It had finished, but the enclosing step failed and runs again: readers drop it. */
export interface MessageRetracted {
  type: "message.retracted";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  reason: "error" | "retry" | "cancelled" | "timeout" | "budget";
}

/** Visible text begins. */
export interface TextStarted {
  type: "text.started";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  index: number;
}

/** A piece of visible text. */
export interface TextDelta {
  type: "text.delta";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  index: number;
  text: string;
  tokens?: number | null;
}

/** The whole text; ``annotations`` are citations and the like. */
export interface TextFinished {
  type: "text.finished";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  index: number;
  text: string;
  annotations?: JSONValue[];
  extras?: JSONValue;
}

/** Thinking text begins. */
export interface ReasoningStarted {
  type: "reasoning.started";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  index: number;
}

/** A piece of thinking text. */
export interface ReasoningDelta {
  type: "reasoning.delta";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  index: number;
  text: string;
  tokens?: number | null;
}

/** ``extras`` keeps signatures and encrypted content. */
export interface ReasoningFinished {
  type: "reasoning.finished";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  index: number;
  text: string;
  annotations?: JSONValue[];
  extras?: JSONValue;
}

/** The model asks for a tool. */
export interface ToolCallStarted {
  type: "tool_call.started";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  index: number;
  tool_call_id: string;
  name: string;
}

/** ``args`` is a piece of JSON text. */
export interface ToolCallDelta {
  type: "tool_call.delta";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  index: number;
  tool_call_id: string;
  args: string;
  tokens?: number | null;
}

/** ``args`` is the object the joined text parses to; otherwise ``invalid`` says why. */
export interface ToolCallFinished {
  type: "tool_call.finished";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  index: number;
  tool_call_id: string;
  name: string;
  args?: { [key: string]: JSONValue } | null;
  invalid?: InvalidArgs | null;
  extras?: JSONValue;
}

/** Any other block, whole: image, audio, file, server tool, non-standard. */
export interface ContentAdded {
  type: "content.added";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  index: number;
  block: { [key: string]: JSONValue };
}

/** The tool runs; its ``step_id`` is its own run and the parent of what runs inside. */
export interface ToolStarted {
  type: "tool.started";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  tool_call_id: string;
  name: string;
  input?: JSONValue;
  attempt?: number;
  synthetic?: boolean;
}

/** What the tool reports while it runs. */
export interface ToolProgress {
  type: "tool.progress";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  tool_call_id: string;
  data?: JSONValue;
}

/** ``content`` is the text the model sees; ``output`` the whole value, ``artifact`` apart. */
export interface ToolFinished {
  type: "tool.finished";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  tool_call_id: string;
  outcome?: "ok" | "suspended" | "handed_off" | "cancelled";
  output?: JSONValue;
  content?: string | null;
  artifact?: JSONValue;
  message_id?: string | null;
}

/** The tool raised; ``content`` is what the model is told of it, if anything. */
export interface ToolFailed {
  type: "tool.failed";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  tool_call_id: string;
  error: ErrorInfo;
  content?: string | null;
}

/** What a node wrote, when captured; ``values`` maps channel to value. */
export interface StateUpdate {
  type: "state.update";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  node: string;
  values?: JSONValue;
}

/** The whole state, when captured. */
export interface StateSnapshot {
  type: "state.snapshot";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  values?: JSONValue;
}

/** A checkpoint was saved, when captured; ``parent_id`` is the one before it. */
export interface Checkpoint {
  type: "checkpoint";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  checkpoint_id: string;
  parent_id?: string | null;
  namespace?: string[];
  source?: string | null;
  step?: number | null;
}

/** One for each pending interrupt of every namespace. */
export interface InterruptRequested {
  type: "interrupt.requested";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  interrupt_id: string;
  payload?: JSONValue;
  namespace?: string[];
  tool_call_id?: string | null;
  response_schema?: JSONValue;
}

/** The root's own output chunks, when asked for; never for a bare model. */
export interface OutputDelta {
  type: "output.delta";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  data?: JSONValue;
}

/** ``get_stream_writer()`` (no name) and ``dispatch_custom_event`` alike, in call order. */
export interface Custom {
  type: "custom";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  name?: string | null;
  data?: JSONValue;
  tool_call_id?: string | null;
}

/** Usage of a message so far, live, when asked for. */
export interface UsageUpdated {
  type: "usage.updated";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  message_id: string;
  usage: Usage;
}

/** Something the reader should know that is neither data nor failure of the run. */
export interface Diagnostic {
  type: "diagnostic";
  seq: number;
  run_id: string;
  ts: number;
  path?: string[];
  step_id: string;
  code: string;
  message: string;
  lost?: number | null;
}

/** One of these ends every stream. */
export type TerminalEvent =
  | RunFinished
  | RunInterrupted
  | RunFailed
  | RunCancelled;

/** Every event. */
export type StreamEvent =
  | RunStarted
  | RunFinished
  | RunInterrupted
  | RunFailed
  | RunCancelled
  | StepStarted
  | StepFinished
  | StepFailed
  | MessageStarted
  | MessageFinished
  | MessageAborted
  | MessageRetracted
  | TextStarted
  | TextDelta
  | TextFinished
  | ReasoningStarted
  | ReasoningDelta
  | ReasoningFinished
  | ToolCallStarted
  | ToolCallDelta
  | ToolCallFinished
  | ContentAdded
  | ToolStarted
  | ToolProgress
  | ToolFinished
  | ToolFailed
  | StateUpdate
  | StateSnapshot
  | Checkpoint
  | InterruptRequested
  | OutputDelta
  | Custom
  | UsageUpdated
  | Diagnostic;
