// Markdown while it streams: paragraphs, headings, lists, code and tables, each line read once.
// A line is held back only until its first characters tell its kind; a table's row, until its end.

import { el, extend } from "./dom.js";
import { InlineWriter, inline } from "./inline.js";

const FENCE = /^(\s*)(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^\s{0,3}(#{1,6})\s+([^]*)$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(\S[^]*)$/;
const RULE = /^\s{0,3}(?:-{3,}|\*{3,}|_{3,})\s*$/;
const UNDECIDED = /^\s*(?:#{1,6}\s*|[-*+]\s*|[-*_]{2,}\s*|\d{1,9}(?:[.)]\s*)?|`{1,2}|~{1,2}|(?:`{3,}|~{3,})[^`]*|\|[^]*)?$/;
const LONGEST_HELD = 2000; // characters; a longer line is text, whatever it began like
const TABLE_LINE = /^\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?$/;
const CELL = /(?:\\\||`[^`]*`|[^|])+/g;

const indentOf = (line) => /^\s*/.exec(line)[0].replaceAll("\t", "    ").length;

export class Markdown {
  #root;
  #held = ""; // the beginning of a line whose kind is not known yet
  #decided = false; // the line's kind is known: its rest is written as it comes
  #writer = null; // of the paragraph, heading or item that may go on
  #heading = false;
  #lists = []; // the open lists, innermost last: {list, item, indent}
  #fence = null; // {mark, indent, text}
  #table = null; // {table, tag} of its rows

  constructor(element) {
    this.#root = element;
  }

  append(text) {
    const lines = text.split("\n");
    for (const [n, piece] of lines.entries()) {
      this.#write(piece);
      if (n < lines.length - 1) this.#endLine();
    }
  }

  /** Nothing more comes: what is held back or open is shown as it is. */
  finish() {
    if (this.#held) this.#endLine();
    this.#close();
  }

  #write(piece) {
    if (piece === "") return;
    if (this.#decided) {
      if (this.#fence) this.#extend(piece);
      else this.#writer.write(piece);
      return;
    }
    this.#held += piece;
    if (this.#fence) this.#code(this.#held);
    else if (this.#held.length > LONGEST_HELD || !UNDECIDED.test(this.#held)) this.#begin(this.#held);
  }

  #endLine() {
    const line = this.#held;
    this.#held = "";
    if (this.#decided) {
      if (this.#fence) this.#extend("\n");
      if (this.#heading) this.#close();
    } else if (this.#fence) {
      const { mark, indent } = this.#fence;
      const end = line.trim();
      if (end.length >= mark.length && end === mark[0].repeat(end.length)) this.#fence = null;
      else this.#extend(`${line.slice(indent)}\n`);
    } else if (line.trim() === "") {
      this.#close();
    } else {
      this.#whole(line);
    }
    this.#decided = false;
  }

  /** A line of code, unless it may be the end of the code. */
  #code(line) {
    if (/^\s*[`~]*\s*$/.test(line)) return;
    const spaces = line.length - line.trimStart().length;
    this.#extend(line.slice(Math.min(this.#fence.indent, spaces)));
    this.#held = "";
    this.#decided = true;
  }

  /** A line that is read when it is all there. */
  #whole(line) {
    const fence = FENCE.exec(line);
    if (fence) return this.#openFence(fence);
    if (line.trimStart().startsWith("|")) return this.#row(line.trim(), indentOf(line));
    if (RULE.test(line)) {
      this.#close();
      this.#lists = [];
      return this.#root.append(el("hr"));
    }
    this.#begin(line);
    if (this.#heading) this.#close();
  }

  /** The beginning of a line of text; more of it may come. */
  #begin(line) {
    this.#held = "";
    this.#decided = true;
    this.#table = null;
    const heading = HEADING.exec(line);
    const item = ITEM.exec(line);
    // As everywhere, only a 1 begins a list in the middle of a paragraph: "in\n1984. That year".
    const interrupts = !this.#writer || this.#lists.length > 0 || !/^\s*(?!1[.)])\d/.test(line);
    if (heading) {
      this.#lists = [];
      this.#open(el(`h${Math.min(6, heading[1].length + 3)}`), this.#root, heading[2]);
      this.#heading = true;
    } else if (item && interrupts) {
      this.#item(item[2], indentOf(line), item[3]);
    } else if (this.#writer) {
      this.#writer.write(`\n${line.trimStart()}`);
    } else {
      this.#open(el("p"), this.#place(indentOf(line)), line.trimStart());
    }
  }

  #item(mark, indent, text) {
    const tag = /\d/.test(mark) ? "ol" : "ul";
    while (this.#lists.length > 0 && indent < this.#lists.at(-1).indent) this.#lists.pop();
    let top = this.#lists.at(-1);
    if (top && indent < top.indent + 2 && top.list.localName !== tag) {
      this.#lists.pop();
      top = undefined;
    }
    if (!top || indent >= top.indent + 2) {
      const list = el(tag);
      if (tag === "ol") list.start = Number.parseInt(mark, 10);
      (this.#lists.at(-1)?.item ?? this.#root).append(list);
      top = { list, indent };
      this.#lists.push(top);
    }
    top.item = el("li");
    this.#open(top.item, top.list, text);
  }

  #openFence([, space, mark]) {
    const code = el("code");
    const pre = el("pre");
    const text = document.createTextNode("");
    code.append(text);
    pre.append(code);
    this.#close();
    this.#place(indentOf(space)).append(pre);
    this.#fence = { mark, indent: space.length, text };
  }

  #extend(code) {
    this.#fence.text = extend(this.#fence.text, code);
  }

  #row(line, indent) {
    if (this.#table && TABLE_LINE.test(line)) return;
    if (!this.#table) {
      this.#close();
      const table = el("table");
      const frame = el("div", "table");
      frame.append(table);
      this.#place(indent).append(frame);
      this.#table = { table, tag: "th" };
    }
    const row = el("tr");
    for (const [cell] of line.replace(/^\||\|$/g, "").matchAll(CELL)) {
      const made = el(this.#table.tag);
      made.append(...inline(cell.trim().replaceAll("\\|", "|")).nodes);
      row.append(made);
    }
    this.#table.table.append(row);
    this.#table.tag = "td";
  }

  #open(element, parent, text) {
    this.#close();
    parent.append(element);
    this.#writer = new InlineWriter(element);
    this.#writer.write(text);
  }

  #close() {
    this.#writer?.finish();
    this.#writer = null;
    this.#heading = false;
    this.#table = null;
  }

  /** Where a block belongs that is indented so: in the last item, or behind all lists. */
  #place(indent) {
    if (indent >= 2 && this.#lists.length > 0) return this.#lists.at(-1).item;
    this.#lists = [];
    return this.#root;
  }
}
