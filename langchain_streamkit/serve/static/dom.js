// Small helpers. Whatever comes from a run goes into the page as text, never as markup.

/** An element with a class and text. */
export function el(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

export const seconds = (ms) =>
  ms < 995 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 99500 ? 2 : 0)} s`;

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
      this.#element.scrollTop = this.#element.scrollHeight;
    });
  }

  /** Back to the end, wherever the reader is. */
  toEnd() {
    this.#follows = true;
    this.grew();
  }
}
