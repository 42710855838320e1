// A run folded to what it came to: the messages for a page to show, the outcome, the result.

/**
 * @import {Block, ErrorInfo, InterruptInfo, JSONValue, StreamEvent, Timing, ToolCall, Usage} from "../streamkit.js"
 * @import {MessageStarted, RunCancelled, ToolFailed, ToolFinished, ToolStarted} from "../streamkit.js"
 * @import {Message as MessageType, RunSnapshot as RunSnapshotType} from "../streamkit.js"
 */

export const TERMINAL_TYPES = new Set(["run.finished", "run.interrupted", "run.failed", "run.cancelled"]);

/**
 * One message, as far as it has come.
 *
 * @implements {MessageType}
 */
class Message {
  /** @type {MessageType["status"]} */
  status = "open";
  /** In order of their start. @type {Block[]} */
  blocks = [];
  /** @type {ToolCall[]} */
  tool_calls = [];

  /** @param {MessageStarted} event */
  constructor({ message_id, role, name, audience = "user" }) {
    this.message_id = message_id;
    this.role = role;
    this.name = name ?? undefined;
    this.audience = audience;
  }

  get text() {
    return this.#joined("text");
  }

  get reasoning() {
    return this.#joined("reasoning");
  }

  /** @param {Block["kind"]} kind */
  #joined(kind) {
    return this.blocks.map((block) => (block.kind === kind ? block.text : "")).join("");
  }
}

/**
 * What a run has come to, kept current by `feed`. Of part of a stream it knows what it was fed.
 *
 * @implements {RunSnapshotType}
 */
export class RunSnapshot {
  /** @type {RunSnapshotType["outcome"]} */
  outcome = "pending";
  /** In order of their start; the aborted and retracted ones too. @type {Message[]} */
  messages = [];
  /** @type {InterruptInfo[]} */
  interrupts = [];
  /** @type {JSONValue | undefined} */
  output = undefined;
  /** @type {ErrorInfo | undefined} */
  error = undefined;
  /** @type {RunCancelled["reason"] | undefined} */
  reason = undefined;
  /** @type {Usage | undefined} */
  usage = undefined;
  /** @type {Timing | undefined} */
  timing = undefined;
  /** @type {Map<string, ToolCall>} by the run of the tool */
  #running = new Map();

  /** The text of the last whole answer for the user; "" without one. */
  get text() {
    const answers = this.messages.filter(({ role, audience, status }) =>
      role === "assistant" && audience === "user" && status === "finished");
    return answers.at(-1)?.text ?? "";
  }

  /** @param {StreamEvent} event one that is not known here changes nothing */
  feed(event) {
    switch (event.type) {
      case "run.started":
        this.outcome = "running";
        break;
      case "run.finished":
        this.#end("finished", event);
        this.output = event.output;
        break;
      case "run.interrupted":
        this.#end("interrupted", event);
        this.interrupts = event.interrupts;
        break;
      case "run.failed":
        this.#end("failed", event);
        this.error = event.error;
        break;
      case "run.cancelled":
        this.#end("cancelled", event);
        this.reason = event.reason;
        break;
      case "message.started":
        this.messages.push(new Message(event));
        break;
      case "message.finished":
      case "message.aborted":
      case "message.retracted":
        this.#settle(event);
        break;
      case "interrupt.requested":
        this.interrupts.push({ ...event, payload: event.payload ?? null });
        break;
      case "tool.started":
      case "tool.finished":
      case "tool.failed":
        this.#tool(event);
        break;
      default:
        if ("index" in event) this.#block(event);
    }
  }

  /**
   * @param {RunSnapshotType["outcome"]} outcome
   * @param {{usage: Usage, timing: Timing}} event
   */
  #end(outcome, { usage, timing }) {
    this.outcome = outcome;
    this.usage = usage;
    this.timing = timing;
  }

  /** @param {string} id */
  #message(id) {
    return this.messages.findLast(({ message_id }) => message_id === id);
  }

  /** @param {{type: string, message_id: string}} event */
  #settle({ type, message_id }) {
    const message = this.#message(message_id);
    if (!message) return;
    message.status = /** @type {typeof message.status} */ (type.slice("message.".length));
    if (message.status === "finished") return;
    for (const call of message.tool_calls) {
      if (call.status === "streaming" || call.status === "requested") call.status = "dropped";
    }
  }

  /** @param {Extract<StreamEvent, {index: number}>} event */
  #block(event) {
    const message = this.#message(event.message_id);
    if (!message) return;
    const { index } = event;
    const block = message.blocks.find((one) => one.index === index);
    switch (event.type) {
      case "text.started":
        message.blocks.push({ kind: "text", index, text: "" });
        break;
      case "reasoning.started":
        message.blocks.push({ kind: "reasoning", index, text: "" });
        break;
      case "tool_call.started": {
        const { tool_call_id, name } = event;
        message.blocks.push({ kind: "tool_call", index, text: "", tool_call_id });
        message.tool_calls.push({ tool_call_id, name, status: "streaming" });
        break;
      }
      case "content.added":
        message.blocks.push({ kind: "content", index, text: "", content: event.block });
        break;
      case "text.delta":
      case "reasoning.delta":
        if (block) block.text += event.text;
        break;
      case "tool_call.delta":
        if (block) block.text += event.args;
        break;
      case "text.finished":
      case "reasoning.finished":
        if (block) block.text = event.text;
        break;
      case "tool_call.finished": {
        const call = message.tool_calls.findLast(({ tool_call_id }) => tool_call_id === event.tool_call_id);
        if (!call) break;
        call.args = event.args ?? undefined;
        call.status = "requested";
      }
    }
  }

  /** @param {ToolStarted | ToolFinished | ToolFailed} event */
  #tool(event) {
    if (event.type === "tool.started") {
      const calls = this.messages.flatMap((message) => message.tool_calls);
      const call = calls.findLast(({ tool_call_id }) => tool_call_id === event.tool_call_id);
      if (!call) return;
      call.status = "running";
      this.#running.set(event.step_id, call);
      return;
    }
    const call = this.#running.get(event.step_id);
    if (!call) return;
    this.#running.delete(event.step_id);
    call.content = event.content ?? undefined;
    if (event.type === "tool.failed") {
      call.status = "failed";
      call.error = event.error;
    } else {
      const { outcome = "ok", output } = event;
      call.status = outcome === "ok" ? "finished" : outcome;
      call.output = output;
    }
  }
}
