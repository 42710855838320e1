// Threads of LangGraph's JavaScript client: each line on stdin is one, each line on stdout what it
// made of what the server sent.
import { answerWith } from "../lines.mjs";

const { Client } = await import(process.argv[2]);
const TERMINAL = new Set(["completed", "failed", "interrupted"]);
const isEnd = ({ method, params }) =>
  method === "lifecycle" && params.namespace.length === 0 && TERMINAL.has(params.data.event);

const message = async (one) => ({
  id: one.id,
  namespace: one.namespace,
  node: one.node,
  text: await one.text,
  reasoning: await one.reasoning,
  calls: (await one.toolCalls).map(({ name, args, id }) => ({ name, args, id })),
  usage: await one.usage,
});
const soon = (value) => new Promise((done) => setTimeout(done, 0, value));
/** Asked when nothing more comes: a tool that waits for a human has no output. */
const tool = async (one) => ({
  name: one.name,
  input: one.input,
  ...(await Promise.race([
    one.output.then((output) => ({ output }), (error) => ({ error: error.message })),
    soon({ open: true }),
  ])),
});
const every = async (iterable, read, found) => {
  for await (const one of iterable) found.push(read(one));
};

async function play({ url, transport, threadId, listen, steps }) {
  let requests = 0;
  const client = new Client({
    apiUrl: url,
    apiKey: null,
    callerOptions: { fetch: (...given) => { requests += 1; return fetch(...given); }, maxRetries: 0 },
  });
  const thread = client.threads.stream(threadId, { assistantId: "agent", transport });
  const events = [];
  const waiting = [];
  const ends = () => events.filter(isEnd).length;
  thread.onEvent((event) => {
    events.push(event);
    if (isEnd(event)) for (const told of waiting.splice(0)) told();
  });
  const ended = async (count) => {
    while (ends() < count) await new Promise((told) => waiting.push(told));
  };
  const told = { results: [], refused: [] };
  const messages = [];
  const tools = [];
  const reading = [];
  if (listen) await thread.subscribe({ channels: listen });
  // Before there is anything: what is opened while a run ends may miss it.
  reading.push(every(thread.messages, message, messages), every(thread.toolCalls, (one) => one, tools));
  for (const { start, respond, state, ends: count } of steps) {
    try {
      if (start) told.results.push(await thread.run.start(start));
      if (respond) told.results.push((await thread.input.respond(respond)) ?? null);
      if (state) told.results.push(await thread.state[state.what](state.params));
    } catch (error) {
      told.refused.push({ code: error.code, message: error.message });
    }
    if (count) await ended(count);
  }
  await Promise.all(reading);
  told.messages = await Promise.all(messages);
  // Each is given twice, as it begins and as it ends.
  const once = tools.filter((one, at) => tools.findIndex((it) => it.output === one.output) === at);
  told.tools = await Promise.all(once.map(tool));
  told.values = await thread.output;
  told.interrupts = thread.interrupts;
  const before = requests;
  await new Promise((done) => setTimeout(done, 50));
  told.requestsAfter = requests - before;
  await thread.close();
  return { ...told, events, threadId: thread.threadId };
}

await answerWith(play);
