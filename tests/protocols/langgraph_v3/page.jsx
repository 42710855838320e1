// A page of one `useStream`: what the hook has is in `window.stream`, and what a person would do
// is called on it.
import { useStream } from "@langchain/react";
import { createElement } from "react";
import { createRoot } from "react-dom/client";

const given = new URLSearchParams(location.search);

function Chat() {
  const stream = useStream({
    assistantId: "agent",
    apiUrl: given.get("api"),
    threadId: given.get("thread"),
    transport: given.get("transport"),
    fetchStateHistory: false,
  });
  window.stream = stream;
  const lines = stream.messages.map((one) => createElement("li", { key: one.id }, one.text));
  const status = stream.isLoading || stream.isThreadLoading ? "loading" : "idle";
  return createElement("main", { "data-status": status }, createElement("ul", null, lines));
}

createRoot(document.body.appendChild(document.createElement("div"))).render(createElement(Chat));
window.shown = () => ({
  messages: window.stream.messages.map((one) => ({
    id: one.id,
    type: one.getType(),
    text: one.text,
    calls: (one.tool_calls ?? []).map(({ name, args }) => ({ name, args })),
  })),
  tools: window.stream.toolCalls.map(({ name, input, output, status, error }) =>
    ({ name, input, output, status, error })),
  interrupts: window.stream.interrupts.map(({ id, value }) => ({ id, value })),
  error: window.stream.error?.message ?? null,
  threadId: window.stream.threadId,
});
