// The numbers of the run, and of the conversation: by the server's events, in between by our clock.

import { Tally, aboutOutput, aboutRest, count, dollars, sum } from "./amounts.js";
import { el, seconds } from "./dom.js";

const UNKNOWN = "–";
const FIRST = new Set(["text.delta", "reasoning.delta", "tool_call.started", "tool_call.delta"]);
const ENDS = { "run.finished": "done", "run.failed": "failed", "run.cancelled": "stopped" };
const $ = (id) => document.getElementById(id);

export class Figures {
  #before = []; // what the conversation's earlier runs used
  #tally = new Tally();
  #begin = 0;
  #startedAt = 0;
  #first = false;
  #timer;

  /** A conversation begins. */
  clear() {
    this.#before = [];
    this.#reset();
    this.status("idle");
  }

  /** A run begins. */
  start() {
    this.#before.push(this.#tally.total);
    this.#reset();
    this.#begin = performance.now();
    this.#timer = setInterval(() => {
      $("duration").textContent = seconds(performance.now() - this.#begin);
    }, 100);
  }

  #reset() {
    this.stop();
    this.#tally = new Tally();
    this.#first = false;
    for (const id of ["first-token", "duration"]) $(id).textContent = UNKNOWN;
    this.#show();
  }

  feed(event) {
    this.#tally.feed(event);
    if (event.tokens !== undefined || event.usage) this.#show();
    if (event.type === "run.started") {
      this.#startedAt = event.ts;
      this.status("running");
    } else if (!this.#first && FIRST.has(event.type)) {
      this.#first = true;
      $("first-token").textContent = seconds(event.ts - this.#startedAt);
    } else if (event.timing) {
      this.stop();
      const first = event.timing.first_token_ms;
      $("first-token").textContent = first === undefined ? UNKNOWN : seconds(first);
      $("duration").textContent = seconds(event.timing.duration_ms);
      this.status(ENDS[event.type] ?? "paused");
    }
  }

  /** Nothing more comes of the run. */
  stop() {
    clearInterval(this.#timer);
  }

  status(text) {
    $("status").textContent = text;
    $("status").dataset.status = text;
  }

  #show() {
    const used = this.#tally.total;
    const told = (tokens, about) => tokens ? `${about}${count(tokens)}` : UNKNOWN;
    const known = used.input || used.output;
    $("tokens").textContent = known ? `${told(used.input, aboutRest(used))} + ${told(used.output, aboutOutput(used))}` : UNKNOWN;
    $("tokens").title = known ? "input + output" : "";
    $("cost").textContent = known && used.cost !== undefined ? aboutRest(used) + dollars(used.cost) : UNKNOWN;
    this.#showSum(sum([...this.#before, used]));
  }

  /** All runs of the conversation together; where there is no room, the cost alone. */
  #showSum(used) {
    const { input, output, cost } = used;
    const about = aboutRest(used);
    const known = cost !== undefined;
    $("sum").hidden = !(input || output);
    $("sum").replaceChildren(
      el("span", known ? "wide" : "", `${about}${count(input + output)} tokens${known ? " · " : ""}`),
      known ? about + dollars(cost) : "",
    );
  }
}
