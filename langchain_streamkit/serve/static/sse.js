// Server-sent events out of the body of a fetch(): EventSource cannot send a POST.
// Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

/** Feed it bytes, cut anywhere; it gives back the whole frames: {event, id, data}. */
export class SSEParser {
  #decoder = new TextDecoder("utf-8");
  #line = "";
  #afterCR = false;
  #event = "";
  #id = "";
  #data = [];

  feed(bytes) {
    const frames = [];
    let text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return frames; // only a part of a character so far
    const splitCRLF = this.#afterCR && text.startsWith("\n");
    this.#afterCR = text.endsWith("\r");
    if (splitCRLF) text = text.slice(1);
    const lines = text.split(/\r\n|\n|\r/);
    const rest = lines.pop();
    for (const line of lines) {
      this.#takeLine(this.#line + line, frames);
      this.#line = "";
    }
    this.#line += rest;
    return frames;
  }

  #takeLine(line, frames) {
    if (line === "") {
      if (this.#data.length > 0) {
        frames.push({ event: this.#event || "message", id: this.#id, data: this.#data.join("\n") });
      }
      this.#event = "";
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
  }
}

/** Raised when the stream closed without the frame `event: end`: the rest is lost. */
export class CutOff extends Error {}

/** The events of a response, as objects, each once. Throws CutOff when the stream was cut off. */
export async function* eventsOf(response) {
  const parser = new SSEParser();
  const reader = response.body.getReader();
  let last = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new CutOff("the connection closed before the run had ended");
      for (const frame of parser.feed(value)) {
        if (frame.event === "end") return;
        const event = JSON.parse(frame.data);
        if (event.seq <= last) continue;
        last = event.seq;
        yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
