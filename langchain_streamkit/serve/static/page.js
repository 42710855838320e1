// The page: sends a question, feeds the answer and the list with the run's events, stops the run.

import { Conversation } from "./conversation.js";
import { EventList } from "./events.js";
import { Figures } from "./figures.js";
import { StreamkitClient } from "./streamkit.js";

const $ = (id) => document.getElementById(id);

const IDEAS = [
  "What is the weather in Lisbon and Tromsø, and what is 12 * 34?",
  "What is 17 ** 5 / 3?",
  "Show a tool that fails: what is 1 / 0?",
  "Count to 300",
  { text: "Count to 300", budget: 60 },
];
const ONLY_SCRIPTED = ["Fail in the middle of the answer"];
const HINT = $("hint").textContent;
const PLACEHOLDER = $("input").placeholder;

const conversation = new Conversation($("log"), $("welcome"));
const list = new EventList($("events"), $("count"), $("deltas"));
const figures = new Figures();

const client = new StreamkitClient("", { retries: 0 }); // leaving a run stops it, so there is nothing to go on with

let threadId;
let current = null; // {run, abort} of the run that is being read

async function run(text, budget) {
  const answer = conversation.ask(text, budget);
  const abort = new AbortController();
  const metadata = budget && { output_budget: budget };
  const mine = { abort, run: client.run({ input: text, threadId, metadata, signal: abort.signal }) };
  current = mine;
  list.clear();
  figures.start();
  busy(true);
  try {
    for await (const event of mine.run) {
      threadId = mine.run.threadId;
      figures.feed(event);
      answer.feed(event);
      list.add(event);
    }
  } catch (error) {
    if (current !== mine) return;
    const stopped = error.name === "AbortError";
    answer.broke(stopped ? "stopped" : said(error));
    figures.status(stopped ? "stopped" : "failed");
  } finally {
    if (current === mine) {
      figures.stop();
      current = null;
      busy(false);
    }
  }
}

const said = (error) => error.code === "start_uncertain"
  ? "The server cannot be reached. Is `make demo` still running?"
  : `The stream broke: ${error.message}`;

/** Stop the run at its source; its last event then says so. */
async function stop() {
  const stopped = current;
  if (!stopped) return;
  $("stop").disabled = true;
  try {
    await stopped.run.cancel();
  } catch (error) {
    if (error.status !== 404) stopped.abort.abort(); // leaving cancels it, too
  }
}

function busy(is) {
  $("send").hidden = is;
  $("stop").hidden = !is;
  $("stop").disabled = false;
  $("input").placeholder = is ? "A run goes on: stop it first, or wait" : PLACEHOLDER;
  hint(HINT);
  if (is) figures.status("waiting");
  else $("input").focus();
}

function hint(text) {
  $("hint").textContent = text;
  $("hint").classList.toggle("now", text !== HINT);
}

function fit() {
  const input = $("input");
  input.style.height = "auto";
  input.style.height = `${Math.min(input.scrollHeight, 180)}px`;
}

function send(text, budget) {
  const refused = current
    ? "A run goes on: stop it first (Esc), or wait. What you have written stays here."
    : !$("budget").checkValidity() && "A budget is a whole number of tokens, from 1 on; empty for no limit.";
  if (refused) hint(refused);
  if (refused || !text.trim()) return;
  $("input").value = "";
  fit();
  run(text.trim(), budget ?? ($("budget").value ? Number($("budget").value) : undefined));
}

function offer(ideas) {
  $("ideas").replaceChildren(...ideas.map((idea) => {
    const { text, budget } = idea.text ? idea : { text: idea };
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = budget ? `${text}, on a budget of ${budget} tokens` : text;
    button.addEventListener("click", () => send(text, budget));
    return button;
  }));
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  send($("input").value);
});
$("input").addEventListener("input", fit);
$("input").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send($("input").value);
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stop();
});
$("stop").addEventListener("click", stop);
$("fresh").addEventListener("click", () => {
  const left = current;
  current = null;
  left?.abort.abort(); // leaving a run stops it
  busy(false);
  threadId = undefined;
  conversation.clear();
  list.clear();
  figures.clear();
  $("input").focus();
});

offer(IDEAS);
const about = await fetch("/healthz").then((response) => response.json()).catch(() => ({}));
if (about.provider) {
  const scripted = about.provider === "scripted";
  $("provider").textContent = scripted ? "scripted provider" : about.model;
  $("provider").title = scripted
    ? "No OPENAI_API_KEY: a scripted server speaks the OpenAI protocol"
    : `Model ${about.model}`;
  $("provider").hidden = false;
  if (about.prices) for (const id of ["cost", "sum"]) $(id).title = about.prices;
  if (scripted) offer([...IDEAS, ...ONLY_SCRIPTED]);
}
