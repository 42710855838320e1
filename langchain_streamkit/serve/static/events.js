// The list of events beside the conversation: one row each, the newest last.

import { amounts, facts } from "./amounts.js";
import { Follower, brief, el, taken } from "./dom.js";

const MOST_ROWS = 400; // older rows leave, so that the page stays fast however long a run is
const IN_A_ROW = 160; // characters of a summary

const family = (type) => type.slice(0, type.indexOf(".") < 0 ? undefined : type.indexOf("."));

function summary(event) {
  switch (event.type) {
    case "run.started": return event.name;
    case "run.finished": return taken(event).join(" · ");
    case "run.failed": return `${event.error.code}: ${event.error.message}`;
    case "run.cancelled": return [`by ${event.reason}`, ...taken(event)].join(" · ");
    case "run.interrupted": return ["paused", ...taken(event)].join(" · ");
    case "step.started": return `${event.kind} ${event.name}`;
    case "step.finished": return event.outcome;
    case "step.failed": return event.error.message;
    case "message.started": return [event.role, event.model].filter(Boolean).join(", ");
    case "message.finished": return [event.finish_reason, ...told(event)].join(" · ");
    case "message.aborted": return [event.reason, ...told(event)].join(" · ");
    case "message.retracted": return event.reason;
    case "usage.updated": return told(event).join(" · ");
    case "text.delta":
    case "reasoning.delta": return JSON.stringify(event.text);
    case "text.finished":
    case "reasoning.finished": return `${event.text.length} characters`;
    case "tool_call.started": return event.name;
    case "tool_call.delta": return event.args;
    case "tool_call.finished": return brief(event.args ?? event.invalid?.text);
    case "tool.started": return brief(event.input ?? "");
    case "tool.progress": return brief(event.data ?? "");
    case "tool.finished": return toolSummary(event);
    case "tool.failed": return event.error.message;
    case "interrupt.requested": return brief(event.payload ?? "");
    case "content.added": return event.block?.type;
    case "diagnostic": return `${event.code}: ${event.message}`;
    case "custom": return brief(event.data ?? "");
    default: return "";
  }
}

const told = ({ usage }) => usage ? facts(amounts(usage)) : [];
const isSmall = (type) => type.endsWith(".delta") || type === "usage.updated";

/** The result; how it ended too, unless it ended well. */
function toolSummary({ outcome = "ok", content, output }) {
  const result = brief(content ?? output ?? "");
  if (outcome === "ok") return result;
  return result ? `${outcome}: ${result}` : outcome;
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
    const before = this.#follower.follows ? 0 : this.#list.scrollHeight;
    while (this.#list.childElementCount > MOST_ROWS) this.#list.firstElementChild.remove();
    // What someone reads stays where it is, though rows above it leave.
    if (before) this.#list.scrollTop -= before - this.#list.scrollHeight;
    this.#count.textContent = String(this.#total);
    this.#follower.grew();
  }

  #row(event) {
    const row = el("li");
    row.className = isSmall(event.type) ? "delta" : "";
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
      if (!details.open) return;
      if (details.childElementCount === 1) details.append(el("pre", "", JSON.stringify(event, null, 2)));
      this.#follower.rest();
      row.scrollIntoView({ block: "nearest" });
    });
    row.append(details);
    return row;
  }
}
