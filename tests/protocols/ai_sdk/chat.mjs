// Chats of the AI SDK, as `useChat` has them: each line on stdin is one, each line on stdout what
// became of it.
import { answerWith } from "../lines.mjs";

const ai = await import(process.argv[2]);

/** The state that a framework's hook keeps; it only remembers. */
class State {
  status = "ready";
  error = undefined;
  constructor(messages) { this.messages = messages; }
  pushMessage(message) { this.messages = this.messages.concat(message); }
  popMessage() { this.messages = this.messages.slice(0, -1); }
  replaceMessage(index, message) { this.messages = this.messages.with(index, message); }
  snapshot(value) { return structuredClone(value); }
}
class Chat extends ai.AbstractChat {}

const automatic = {
  approvals: ai.lastAssistantMessageIsCompleteWithApprovalResponses,
  outputs: ai.lastAssistantMessageIsCompleteWithToolCalls,
};

/** What of the last message has come so far. */
const textOf = (chat) => JSON.stringify(chat.messages.at(-1)?.parts ?? []);

async function play({ url, id, messages = [], steps, automatically = [], socket, headers }) {
  const told = { data: [], finishes: 0, calls: [], requests: [] };
  const when = automatically.map((name) => automatic[name]).filter(Boolean); // 5 knows no approvals
  const chat = new Chat({
    id,
    state: new State(messages),
    transport: socket ? new ai.WebSocketChatTransport({ url }) : new ai.DefaultChatTransport({
      api: url,
      headers,
      fetch: (where, options) => {
        told.requests.push({ method: options?.method ?? "GET", body: options?.body });
        if (told.requests.length > 9) throw new Error("it asks again and again");
        return fetch(where, options);
      },
    }),
    onData: (part) => told.data.push(structuredClone(part)),
    onFinish: () => { told.finishes += 1; },
    onToolCall: ({ toolCall }) => { told.calls.push(toolCall.toolName); },
    sendAutomaticallyWhen: when.length ? (given) => when.some((test) => test(given)) : undefined,
  });
  const settled = async () => {
    for (;;) {
      await new Promise(setImmediate);
      if (chat.status === "ready" || chat.status === "error") return;
    }
  };
  for (const { send, options, output, approve, resume, regenerate, stopAt } of steps) {
    const sent = send === undefined ? null : chat.sendMessage(send ?? undefined, options);
    while (stopAt && !textOf(chat).includes(stopAt)) await new Promise(setImmediate);
    if (stopAt) await chat.stop();
    await sent;
    if (regenerate) await chat.regenerate(regenerate);
    if (output) await chat.addToolOutput(output);
    if (approve) await chat.addToolApprovalResponse(approve);
    if (resume) await chat.resumeStream();
    for (let turn = 0; turn < 20; turn += 1) await settled();
  }
  return { messages: chat.messages, status: chat.status, error: chat.error?.message, ...told };
}

await answerWith(play);
