// Tokens and dollars, as the events tell them: "~" before estimates, nothing of what nobody told.

const FEWEST_PLACES = 4;
const MOST_PLACES = 20;

export const count = (number) => number.toLocaleString("en-US");

/** US dollars with two digits at least, so that a cost above zero never looks like zero. */
export function dollars(cost) {
  const places = cost > 0 ? Math.max(FEWEST_PLACES, 1 - Math.floor(Math.log10(cost))) : FEWEST_PLACES;
  const digits = Math.min(places, MOST_PLACES);
  return `$${cost.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** What an event's `usage` says, with the cost as a number. */
export const amounts = (usage) => ({
  input: usage.input_tokens,
  output: usage.output_tokens,
  cost: usage.cost === undefined ? undefined : Number(usage.cost),
  estimated: usage.source === "estimated",
  counted: usage.source === "counted", // the answer; the prompt, and so the cost, is an estimate
});

export const NOTHING = { input: 0, output: 0, cost: undefined, estimated: false, counted: false };

/** All together; the cost is that of those which have one. */
export const sum = (all) => all.reduce((a, b) => ({
  input: a.input + b.input,
  output: a.output + b.output,
  cost: b.cost === undefined ? a.cost : (a.cost ?? 0) + b.cost,
  estimated: a.estimated || b.estimated,
  counted: a.counted || b.counted,
}), NOTHING);

const ABOUT = "~";
/** What stands before the tokens of an answer. */
export const aboutOutput = (used) => used.estimated ? ABOUT : "";
/** What stands before all else: the tokens of a prompt, sums and costs. */
export const aboutRest = (used) => used.estimated || used.counted ? ABOUT : "";

/** In words: ["~12 in + ~34 out tokens", "~$0.0002"]. */
export function facts(used) {
  const said = [[used.input, "in", aboutRest(used)], [used.output, "out", aboutOutput(used)]]
    .filter(([tokens]) => tokens > 0)
    .map(([tokens, way, about]) => `${about}${count(tokens)} ${way}`);
  const all = said.length ? [`${said.join(" + ")} tokens`] : [];
  if (said.length && used.cost !== undefined) all.push(aboutRest(used) + dollars(used.cost));
  return all;
}

/** What a run has used so far: each of its messages once, by the newest that was told of it. */
export class Tally {
  #messages = new Map();
  #end;

  feed(event) {
    const known = this.#messages.get(event.message_id);
    if (event.timing) {
      this.#end = amounts(event.usage);
    } else if (event.type === "message.started") {
      this.#messages.set(event.message_id, { ...NOTHING, estimated: event.counting === "estimate" });
    } else if (known && event.tokens !== undefined) {
      known.output = Math.max(known.output, event.tokens);
    } else if (known && event.usage) {
      this.#messages.set(event.message_id, amounts(event.usage));
    }
  }

  of(messageId) {
    return this.#messages.get(messageId) ?? NOTHING;
  }

  get total() {
    return this.#end ?? sum([...this.#messages.values()]);
  }
}
