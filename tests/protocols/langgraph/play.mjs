// LangGraph's JavaScript client: each line on stdin is a chat of `useStream`, or a script; each line
// on stdout what became of it.
import { createRequire } from "node:module";
import { answerWith, warned } from "../lines.mjs";

const load = createRequire(process.argv[2]);
const { Client } = load("@langchain/langgraph-sdk");
const { useStream } = load("@langchain/langgraph-sdk/react");
const React = load("react");
const { create } = load("react-test-renderer");

process.on("unhandledRejection", (error) => warned.push(String(error.message)));
const all = async (parts) => {
  const found = [];
  for await (const part of parts) found.push(part);
  return found;
};
const AsyncFunction = (async () => {}).constructor;

const clientOf = (url, requests) => new Client({
  apiUrl: url,
  apiKey: null,
  callerOptions: {
    maxRetries: 1,
    fetch: (where, options) => {
      const since = new Headers(options?.headers).get("last-event-id");
      const path = String(where).slice(url.length).replace(/[0-9a-f-]{36}/g, "ID");
      requests.push([options?.method ?? "GET", path, ...(since ? [since] : [])].join(" "));
      if (requests.length > 30) throw new Error("it asks again and again");
      return fetch(where, options);
    },
  },
});

const textOf = ({ content } = { content: "" }) =>
  typeof content === "string" ? content : content.map((block) => block.text ?? "").join("");

async function chat({ url, steps, options }) {
  const told = { customs: [], finishes: 0, requests: [], texts: [], threadId: options.threadId };
  const client = clientOf(url, told.requests);
  let now;
  const Page = () => {
    now = useStream({
      client,
      assistantId: "agent",
      onThreadId: (id) => { told.threadId = id; },
      onCustomEvent: (data) => told.customs.push(data),
      onFinish: () => { told.finishes += 1; },
      ...options,
    });
    const text = textOf(now.messages.at(-1));
    if (text && text !== told.texts.at(-1)) told.texts.push(text);
    return null;
  };
  const page = create(React.createElement(Page), { unstable_isConcurrent: true });
  const turn = () => new Promise((resolve) => setTimeout(resolve, 5));
  const settled = async () => {
    for (let quiet = 0; quiet < 10; quiet += 1) {
      await turn();
      if (!now || now.isLoading || now.isThreadLoading) quiet = 0;
    }
  };
  await settled();
  for (const { submit, with: more, stop, join, until } of steps) {
    let doing;
    if (submit !== undefined) doing = now.submit(submit, more);
    if (join) doing = now.joinStream(join);
    if (until) while (!told.texts.includes(until)) await turn();
    if (stop) doing = now.stop();
    if (until === undefined) await doing;
    if (!until) await settled();
  }
  const found = {
    ...told,
    messages: now.messages,
    values: now.values,
    interrupts: now.interrupts,
    error: now.error?.message ?? now.error,
  };
  page.unmount();
  return found;
}

async function call({ url, script, given }) {
  const client = clientOf(url, []);
  return await new AsyncFunction("client", "all", "given", script)(client, all, given);
}

await answerWith(async (asked) => (
  { found: (await (asked.script ? call(asked) : chat(asked))) ?? null }
));
