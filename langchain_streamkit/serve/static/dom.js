// Small helpers. Whatever comes from a run goes into the page as text, never as markup.

import { amounts, facts } from "./amounts.js";

const LONG_TEXT = 4000;

/** An element with a class and text. */
export function el(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** More text, in this node or, as a long one is slow to grow, in a new one; gives the last one. */
export function extend(node, text) {
  if (node.length < LONG_TEXT) {
    node.appendData(text);
    return node;
  }
  const next = document.createTextNode(text);
  node.after(next);
  return next;
}

export const seconds = (ms) =>
  ms < 995 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 99500 ? 2 : 0)} s`;

/** What a run took: time, tokens and cost as far as they are known. */
export function taken({ timing, usage }) {
  const all = [seconds(timing.duration_ms)];
  if (timing.first_token_ms !== undefined) all.push(`first token ${seconds(timing.first_token_ms)}`);
  all.push(...facts(amounts(usage)));
  if (timing.tokens_per_second) all.push(`${timing.tokens_per_second.toFixed(0)} tokens/s`);
  return all;
}

/** A value on one line. */
export const brief = (value) =>
  (typeof value === "string" ? value : JSON.stringify(value) ?? "").replace(/\s+/g, " ");

/** Keeps a scrolling element at its end, unless the reader has scrolled up. */
export class Follower {
  #element;
  #follows = true;
  #due = false;
  #top = 0;

  constructor(element) {
    this.#element = element;
    element.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = element;
      if (scrollHeight - scrollTop - clientHeight < 24) this.#follows = true;
      else if (scrollTop < this.#top) this.#follows = false; // growing never moves it up
      this.#top = scrollTop;
    }, { passive: true });
  }

  /** Something was added; at most one scroll a frame. */
  grew() {
    if (!this.#follows || this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      if (this.#follows) this.#element.scrollTop = this.#element.scrollHeight;
    });
  }

  get follows() {
    return this.#follows;
  }

  /** The reader looks at something: what comes does not move it. */
  rest() {
    this.#follows = false;
  }

  /** Back to the end, wherever the reader is. */
  toEnd() {
    this.#follows = true;
    this.grew();
  }
}
