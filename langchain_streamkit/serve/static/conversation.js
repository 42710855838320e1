// What the user reads: questions, and answers that grow with their events.

import { Tally, count, facts } from "./amounts.js";
import { Follower, brief, el, seconds, taken } from "./dom.js";
import { Markdown } from "./markdown.js";

const ENDS = {
  "run.finished": () => ["done", "finished"],
  "run.interrupted": () => ["paused", "paused: it waits for an answer"],
  "run.failed": (event) => ["failed", `failed: ${event.error.message}`],
  "run.cancelled": (event, budget) => ["stopped", stopped(event.reason, budget)],
};

function stopped(reason, budget) {
  if (reason === "user") return "stopped";
  if (reason !== "budget") return `stopped (${reason})`;
  return budget ? `stopped by the budget of ${count(budget)} tokens` : "stopped by the budget";
}

export class Conversation {
  #log;
  #welcome;
  #follower;

  constructor(log, welcome) {
    this.#log = log;
    this.#welcome = welcome;
    this.#follower = new Follower(log);
  }

  clear() {
    this.#log.replaceChildren(this.#welcome);
    this.#welcome.hidden = false;
  }

  /** Show a question; gives the answer to be fed with the run's events. `budget`: of its tokens. */
  ask(text, budget) {
    this.#welcome.hidden = true;
    const question = el("article", "turn user");
    question.append(el("h3", "unseen", "You"), el("div", "text", text));
    const element = el("article", "turn assistant");
    this.#log.append(question, element);
    this.#follower.toEnd();
    return new Answer(element, budget, () => this.#follower.grew());
  }
}

/** One run in the conversation. */
class Answer {
  #element;
  #budget;
  #tally = new Tally();
  #used = new Map(); // by message: where its tokens are told
  #footer = el("footer", "facts");
  #grew;
  #messages = new Map();
  #blocks = new Map(); // what grows: {append, finish?}
  #cards = []; // newest last; a tool_call_id may repeat
  #running = new Map(); // tool runs by step_id

  constructor(element, budget, grew) {
    this.#element = element;
    this.#budget = budget;
    this.#grew = grew;
    element.dataset.status = "running";
    element.setAttribute("aria-busy", "true");
    element.append(el("h3", "unseen", "Assistant"), this.#waiting(), this.#footer);
  }

  #waiting() {
    const dots = el("div", "dots");
    dots.setAttribute("aria-label", "waiting for the first token");
    dots.append(el("i"), el("i"), el("i"));
    return dots;
  }

  feed(event) {
    this.#tally.feed(event);
    if (event.tokens !== undefined || event.usage) this.#tell(event);
    const key = `${event.message_id} ${event.index}`;
    switch (event.type) {
      case "message.started":
        if (event.audience !== "internal") this.#message(event);
        break;
      case "text.started":
        this.#text(key, event, el("div", "text"));
        break;
      case "reasoning.started": {
        const thinking = el("details", "thinking");
        const text = el("div", "text");
        thinking.append(el("summary", "", "Thinking"), text);
        this.#text(key, event, thinking, text);
        break;
      }
      case "text.delta":
      case "reasoning.delta":
        this.#blocks.get(key)?.append(event.text);
        break;
      case "text.finished":
      case "reasoning.finished":
        this.#finish(key);
        break;
      case "tool_call.started":
        this.#card(key, event);
        break;
      case "tool_call.delta":
        this.#blocks.get(key)?.append(event.args);
        break;
      case "tool_call.finished":
        this.#called(key, event);
        break;
      case "content.added":
        this.#shown(event, el("div", "other", `[${event.block?.type ?? "content"}]`));
        break;
      case "message.aborted":
      case "message.retracted": // of a stopped message, what was read stays readable
        this.#messages.get(event.message_id)?.classList
          .add(["cancelled", "budget"].includes(event.reason) ? "unfinished" : "dropped");
        break;
      case "tool.started":
        this.#toolStarted(event);
        break;
      case "tool.progress":
        this.#toolSays(event, brief(event.data));
        break;
      case "tool.finished":
        this.#toolEnded(event, event.outcome ?? "ok", event.content ?? brief(event.output ?? ""));
        break;
      case "tool.failed":
        // What the tool told the model, if anything; its exception never comes here.
        this.#toolEnded(event, "failed", event.content ?? (event.error.code === "tool_error" ? "" : event.error.message));
        break;
      case "interrupt.requested":
        this.#note(`Waits for an answer: ${brief(event.payload)}`);
        break;
      default:
        if (event.type in ENDS) this.#end(...ENDS[event.type](event, this.#budget), event);
    }
    this.#grew();
  }

  /** The run is over for this page without its last event. */
  broke(text) {
    this.#end("failed", text);
    this.#grew();
  }

  #message(event) {
    const message = el("section", "message");
    this.#messages.set(event.message_id, message);
    const used = el("p", "used");
    used.setAttribute("aria-live", "off");
    this.#used.set(event.message_id, used);
    this.#footer.before(message, used);
  }

  /** What the message of this event has used so far, below it. */
  #tell(event) {
    const used = this.#used.get(event.message_id);
    if (used) used.textContent = facts(this.#tally.of(event.message_id)).join(" · ");
  }

  /** Whether the element is shown now; it is not in an internal message. */
  #shown(event, element) {
    const message = this.#messages.get(event.message_id);
    if (!message) return false;
    this.#element.querySelector(".dots")?.remove();
    message.append(element);
    return true;
  }

  #text(key, event, element, grows = element) {
    if (this.#shown(event, element)) this.#blocks.set(key, new Markdown(grows));
  }

  #finish(key) {
    this.#blocks.get(key)?.finish?.();
    this.#blocks.delete(key);
  }

  #card(key, event) {
    const element = el("div", "tool");
    element.dataset.state = "called";
    const head = el("div", "call");
    const args = el("code", "args");
    head.append(el("span", "state"), el("span", "name", event.name), args);
    element.append(head, el("div", "result"));
    if (!this.#shown(event, element)) return;
    this.#blocks.set(key, args);
    this.#cards.push({ id: event.tool_call_id, element, args });
  }

  #called(key, event) {
    this.#blocks.delete(key);
    const card = this.#cardOf(event.tool_call_id);
    if (!card) return;
    if (event.args) card.args.textContent = said(event.args);
    if (event.invalid) this.#settle(card.element, "failed", event.invalid.error);
  }

  #cardOf(id) {
    return this.#cards.findLast((card) => card.id === id);
  }

  #toolStarted(event) {
    const card = this.#cardOf(event.tool_call_id);
    if (!card) return;
    card.element.dataset.state = "running";
    this.#running.set(event.step_id, { element: card.element, since: event.ts });
  }

  #toolSays(event, text) {
    const run = this.#running.get(event.step_id);
    if (run) run.element.querySelector(".result").textContent = text;
  }

  #toolEnded(event, state, text) {
    const run = this.#running.get(event.step_id);
    if (!run) return;
    this.#running.delete(event.step_id);
    this.#settle(run.element, state, text, event.ts - run.since);
  }

  /** The card's last state, in words unless all is well, and how long it took. */
  #settle(element, state, text, ms) {
    element.dataset.state = state;
    if (text !== undefined) element.querySelector(".result").textContent = text;
    const words = state === "ok" ? [] : [state];
    if (ms !== undefined) words.push(seconds(ms));
    element.querySelector(".call").append(el("span", "took", words.join(state === "cancelled" ? " after " : " in ")));
  }

  #note(text) {
    this.#footer.before(el("p", "note", text));
  }

  #end(status, text, event) {
    this.#element.dataset.status = status;
    this.#element.removeAttribute("aria-busy");
    this.#element.querySelector(".dots")?.remove();
    for (const key of [...this.#blocks.keys()]) this.#finish(key);
    for (const { element } of this.#cards) {
      if (["called", "running"].includes(element.dataset.state)) this.#settle(element, "cancelled");
    }
    if (status !== "done") this.#note(text);
    if (this.#used.size === 1) this.#used.forEach((used) => used.remove()); // the footer tells the same
    if (event) this.#footer.replaceChildren(...taken(event).map((fact) => el("span", "", fact)));
  }
}

/** Arguments as one would write the call. */
const said = (args) =>
  Object.entries(args).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ");
