// The list of events beside the conversation: one row each, the newest last.

import { Follower, brief, el } from "./dom.js";

const MOST_ROWS = 400; // older rows leave, so that the page stays fast however long a run is
const IN_A_ROW = 160; // characters of a summary

const family = (type) => type.slice(0, type.indexOf(".") < 0 ? undefined : type.indexOf("."));

function summary(event) {
  switch (event.type) {
    case "run.started": return event.name;
    case "run.failed": return `${event.error.code}: ${event.error.message}`;
    case "run.cancelled": return event.reason;
    case "step.started": return `${event.kind} ${event.name}`;
    case "step.finished": return event.outcome;
    case "step.failed": return event.error.message;
    case "message.started": return [event.role, event.model].filter(Boolean).join(", ");
    case "message.finished": return event.finish_reason;
    case "message.aborted":
    case "message.retracted": return event.reason;
    case "text.delta":
    case "reasoning.delta": return JSON.stringify(event.text);
    case "text.finished":
    case "reasoning.finished": return `${event.text.length} characters`;
    case "tool_call.started": return event.name;
    case "tool_call.delta": return event.args;
    case "tool_call.finished": return brief(event.args ?? event.invalid?.text);
    case "tool.started": return brief(event.input ?? "");
    case "tool.finished": return brief(event.content ?? event.output ?? "");
    case "tool.failed": return event.error.message;
    case "diagnostic": return `${event.code}: ${event.message}`;
    case "custom": return brief(event.data ?? "");
    default: return "";
  }
}

export class EventList {
  #list;
  #count;
  #follower;
  #rows = [];
  #frame = 0;
  #total = 0;

  constructor(list, count, deltas) {
    this.#list = list;
    this.#count = count;
    this.#follower = new Follower(list);
    deltas.addEventListener("change", () => {
      list.classList.toggle("no-deltas", !deltas.checked);
      this.#follower.toEnd();
    });
  }

  clear() {
    this.#rows = [];
    this.#total = 0;
    this.#list.replaceChildren();
    this.#count.textContent = "0";
    this.#follower.toEnd();
  }

  /** Rows are made once a frame, for all events that came since. */
  add(event) {
    this.#rows.push(event);
    this.#total += 1;
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const rows = this.#rows.splice(0).slice(-MOST_ROWS).map((event) => this.#row(event));
    this.#list.append(...rows);
    while (this.#list.childElementCount > MOST_ROWS) this.#list.firstElementChild.remove();
    this.#count.textContent = String(this.#total);
    this.#follower.grew();
  }

  #row(event) {
    const row = el("li");
    row.className = event.type.endsWith(".delta") ? "delta" : "";
    row.dataset.type = event.type;
    row.dataset.family = family(event.type);
    const details = el("details");
    const line = el("summary");
    const said = summary(event) ?? "";
    line.append(
      el("span", "seq", String(event.seq)),
      el("span", "type", event.type),
      el("span", "path", (event.path ?? []).join("/")),
      el("span", "said", said.length > IN_A_ROW ? `${said.slice(0, IN_A_ROW)}…` : said),
    );
    details.append(line);
    details.addEventListener("toggle", () => {
      if (details.open && details.childElementCount === 1) {
        details.append(el("pre", "", JSON.stringify(event, null, 2)));
      }
    });
    row.append(details);
    return row;
  }
}
