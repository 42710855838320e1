// Runs of AG-UI's own HttpAgent: each line on stdin is a conversation, each line on stdout what
// became of it.
import { answerWith } from "../lines.mjs";

const { HttpAgent } = await import(process.argv[2]);
/** A run that failed says so, and is told of by itself. */
const { error: complain } = console;
console.error = (what, ...more) => {
  if (what !== "Agent execution failed:") complain(what, ...more);
};

/** A body in pieces of a size, without a network. */
const given = (base64, size) => async () => {
  const bytes = Buffer.from(base64, "base64");
  const body = new ReadableStream({
    start(stream) {
      for (let at = 0; at < bytes.length; at += size) stream.enqueue(bytes.subarray(at, at + size));
      stream.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
};

async function play({ url, threadId, messages, state, body, size, runs }) {
  const fetch = body === undefined ? undefined : given(body, size);
  const agent = new HttpAgent({
    url, threadId, initialMessages: messages, initialState: state, fetch,
  });
  const told = [];
  for (const { say, answer, ...parameters } of runs) {
    if (say !== undefined) {
      agent.messages = [...agent.messages, { id: `u${agent.messages.length}`, role: "user", content: say }];
    }
    if (answer !== undefined) agent.messages = [...agent.messages, answer];
    const run = { events: [], drafts: [] };
    try {
      await agent.runAgent(parameters, {
        onEvent: ({ event }) => { run.events.push(event); },
        onRunErrorEvent: ({ event }) => { run.error = { message: event.message, code: event.code }; },
        onRunFinishedEvent: ({ outcome, pendingToolCallIds }) => {
          run.outcome = outcome;
          run.pending = pendingToolCallIds;
        },
        onMessagesSnapshotEvent: ({ messages: draft }) => { run.drafts.push(structuredClone(draft)); },
      });
    } catch (error) {
      run.failed = String(error?.message ?? error);
    }
    told.push({
      ...run,
      messages: structuredClone(agent.messages),
      state: structuredClone(agent.state),
      interrupts: structuredClone(agent.pendingInterrupts),
    });
  }
  return { runs: told };
}

await answerWith(play);
