// A page of one `useChat`, as its documentation writes them: a person types, reads and clicks.
import { useChat } from "@ai-sdk/react";
import {
  lastAssistantMessageIsCompleteWithApprovalResponses as approved,
  lastAssistantMessageIsCompleteWithToolCalls as completed,
} from "ai";
import { createElement as make, useState } from "react";
import { createRoot } from "react-dom/client";

const given = new URLSearchParams(location.search);

/** What a part shows; `answer` sends what a person says to a question. */
function Part({ part, answer }) {
  if (part.type === "text") return make("p", { className: "text" }, part.text);
  if (part.toolCallId === undefined) return null;
  const asks = part.state === "approval-requested"
    || (part.type === "tool-interrupt" && part.state === "input-available");
  const button = (name, yes) =>
    make("button", { type: "button", onClick: () => answer(part, yes) }, name);
  const name = part.toolName ?? part.type.replace("tool-", "");
  return make("div", { className: "tool", "data-id": part.toolCallId, "data-state": part.state },
    make("b", null, name), " ",
    make("code", null, JSON.stringify(part.input)), " ",
    make("output", null, JSON.stringify(part.output ?? part.errorText)),
    asks && button("Yes", true),
    asks && button("No", false));
}

function Chat() {
  const [text, setText] = useState("");
  const chat = useChat({
    id: given.get("id") ?? "chat-1",
    resume: given.has("resume"),
    sendAutomaticallyWhen: (one) => completed(one) || approved(one),
  });
  window.chat = chat;
  const answer = (part, yes) => {
    if (part.approval) chat.addToolApprovalResponse({ id: part.approval.id, approved: yes });
    else chat.addToolOutput({ tool: "interrupt", toolCallId: part.toolCallId, output: { yes } });
  };
  const send = (event) => {
    event.preventDefault();
    chat.sendMessage({ text });
    setText("");
  };
  return make("main", { "data-status": chat.status },
    chat.messages.map(({ id, role, parts }) =>
      make("section", { key: id, className: role },
        make("h2", null, role),
        parts.map((part, number) => make(Part, { key: number, part, answer })))),
    chat.error && make("p", { role: "alert" }, chat.error.message),
    make("form", { onSubmit: send },
      make("input", { value: text, onChange: (event) => setText(event.target.value) }),
      make("button", null, "Send")));
}

createRoot(document.body.appendChild(document.createElement("div"))).render(make(Chat));
