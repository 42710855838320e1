// Markdown within a line: **strong**, *emphasis*, `code`, [links](https://...), \escapes.
// Made of nodes and text, never of markup, so that nothing a model writes can become an element.

import { el, extend } from "./dom.js";

const FAR = 1000; // characters in which a mark has to be closed; it bounds the work for each mark
const SPECIAL = /[\\`*_[]/g;
const CODE = /^(`+)(?!`)([^]*?[^`])\1(?!`)/;
const MARKED = {
  "**": [/^\*\*(?=\S)([^]*?\S)\*\*(?!\*)/, "strong"],
  "*": [/^\*(?=[^\s*])((?:\*\*[^*]+\*\*|[^*])+?)(?<!\s)\*(?!\*)/, "em"],
  "__": [/^__(?=\S)([^]*?\S)__(?![\w_])/, "strong"],
  "_": [/^_(?=[^\s_])([^_]*[^\s_])_(?![\w_])/, "em"],
};
const LINK = /^\[([^[\]\n]+)\]\(([^\s()]*(?:\([^\s()]*\)[^\s()]*)*)(?:[ ]+"[^"\n]*")?\)/;
const LINK_BEGUN = /^\[[^[\]\n]*(?:\](?:\([^\s()]*(?:\([^\s()]*\)[^\s()]*)*(?:\([^\s()]*)?(?:[ ]+(?:"[^"\n]*"?)?)?)?)?$/;
const WORD = /[\p{L}\p{N}_]/u;

/**
 * The nodes of a text, and how many of its characters they stand for. Unless `final`, it ends
 * before the first mark that later text may still close. `before`: the character in front of it.
 */
export function inline(text, { final = true, before = "" } = {}) {
  const nodes = [];
  let plain = "";
  let at = 0;
  const add = (node, length) => {
    if (plain) nodes.push(document.createTextNode(plain));
    plain = "";
    nodes.push(node);
    at += length;
  };
  while (at < text.length) {
    SPECIAL.lastIndex = at;
    const next = SPECIAL.exec(text)?.index ?? text.length;
    plain += text.slice(at, next);
    at = next;
    if (at === text.length) break;
    const found = marked(text.slice(at, at + FAR), text[at - 1] ?? before);
    const mayChange = found.open || (found.closing && at + found.length === text.length);
    if (mayChange && !final && text.length - at < FAR) break;
    if (found.node) add(found.node, found.length);
    else {
      plain += found.shown ?? text.slice(at, at + found.length);
      at += found.length;
    }
  }
  if (plain) nodes.push(document.createTextNode(plain));
  return { nodes, used: at };
}

/**
 * What begins here: {node, length}, or plain text {length, shown?}. `open`: it may yet be closed;
 * `closing`: one more sign like its last would change it.
 */
function marked(rest, before) {
  if (rest[0] === "\\") {
    if (rest.length === 1) return { length: 1, open: true };
    return /[!-/:-@[-`{-~]/.test(rest[1]) ? { length: 2, shown: rest[1] } : { length: 1 };
  }
  if (rest[0] === "`") {
    const code = CODE.exec(rest);
    if (code) return { node: el("code", "", code[2].replace(/^ (.+) $/, "$1")), length: code[0].length, closing: true };
    return { length: /^`+/.exec(rest)[0].length, open: true };
  }
  if (rest[0] === "[") return link(rest);
  return emphasis(rest, before);
}

function emphasis(rest, before) {
  const run = /^(?:\*+|_+)/.exec(rest)[0];
  const follows = rest[run.length];
  if (follows !== undefined && /\s/.test(follows)) return { length: run.length };
  if (run[0] === "_" && WORD.test(before)) return { length: run.length };
  if (run.length > 3 || before === run[0]) return { length: run.length }; // "****" is no mark
  for (const mark of [run.slice(0, 2), run[0]]) {
    const [pattern, tag] = MARKED[mark];
    const found = pattern.exec(rest);
    if (!found) continue;
    const node = el(tag);
    node.append(...inline(found[1]).nodes);
    return { node, length: found[0].length, closing: true };
  }
  return { length: run.length, open: true };
}

function link(rest) {
  const found = LINK.exec(rest);
  if (!found) return { length: 1, open: LINK_BEGUN.test(rest) };
  const [whole, label, target] = found;
  if (!/^https?:\/\//i.test(target) || !URL.canParse(target)) return { length: whole.length };
  const node = el("a");
  node.href = target;
  node.target = "_blank";
  node.rel = "noopener noreferrer";
  node.append(...inline(label).nodes);
  return { node, length: whole.length };
}

/** Writes text that streams into an element; only what a mark holds open is ever made again. */
export class InlineWriter {
  #element;
  #open = ""; // the text from the first open mark on
  #last = "";
  #draft = []; // the nodes of the open text, as it would be if nothing more came

  constructor(element) {
    this.#element = element;
  }

  write(text) {
    this.#put(this.#open + text, false);
  }

  finish() {
    this.#put(this.#open, true);
  }

  #put(text, final) {
    for (const node of this.#draft) node.remove();
    const { nodes, used } = inline(text, { final, before: this.#last });
    for (const node of nodes) this.#keep(node);
    if (used > 0) this.#last = text[used - 1];
    this.#open = text.slice(used);
    this.#draft = inline(this.#open, { before: this.#last }).nodes;
    this.#element.append(...this.#draft);
  }

  #keep(node) {
    const last = this.#element.lastChild;
    if (node.nodeType === Node.TEXT_NODE && last?.nodeType === Node.TEXT_NODE) extend(last, node.data);
    else this.#element.append(node);
  }
}
