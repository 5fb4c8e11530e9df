// A chat with the service's model, which uses the servers' tools.

import { events } from "./api.js";
import { duration, h, icon, put, text } from "./dom.js";

export function chatPane(live) {
  const messages = [];
  const log = h("div", { class: "messages", role: "log", "aria-live": "polite", "aria-label": "Conversation" });
  const field = h("textarea", { rows: 1, id: "chat-text", placeholder: "Ask something that needs a tool", "aria-label": "Message" });
  const send = h("button", { class: "primary round", "aria-label": "Send" }, icon("send"));
  const form = h("form", { class: "composer card" }, field, send);
  const model = h("p", { class: "muted" });
  const clear = h("button", { type: "button", class: "quiet" }, "New conversation");
  const none = h("div", { class: "card empty" },
    h("p", {}, "This service has no model to chat with."),
    h("p", { class: "muted" }, "Start it without --no-model; it looks for one as mcp run does."));
  const element = h("section", { class: "chat", "aria-labelledby": "chat-title" },
    h("div", { class: "head" }, h("h1", { id: "chat-title" }, "Chat"), model, clear), none, log, form);
  let running;

  const update = () => {
    none.hidden = Boolean(live.model);
    form.hidden = log.hidden = clear.hidden = !live.model;
    text(model, live.model ?? "");
    if (!messages.length && !log.children.length) {
      log.append(h("p", { class: "muted hello" }, "The model may use the tools of all servers. What it calls is shown here and in the live log."));
    }
  };
  const busy = (is) => {
    put(send, icon(is ? "stop" : "send"));
    send.setAttribute("aria-label", is ? "Stop" : "Send");
    log.setAttribute("aria-busy", String(is));
  };
  clear.addEventListener("click", () => {
    running?.abort();
    messages.length = 0;
    put(log);
    update();
    field.focus();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (!running) form.requestSubmit();
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return running.abort();
    const question = field.value.trim();
    if (!question) return;
    field.value = "";
    log.querySelector(".hello")?.remove();
    messages.push({ role: "user", content: question });
    const answer = h("article", { class: "message from-model", "aria-label": "Answer" });
    log.append(h("article", { class: "message from-person", "aria-label": "You" }, question), answer);
    const controller = running = new AbortController();
    busy(true);
    const said = await converse(live.model, messages, answer, controller.signal, () => answer.scrollIntoView({ block: "end" }));
    if (running === controller) running = undefined;
    if (messages.length) messages.push({ role: "assistant", content: said });
    busy(false);
  });
  return { element, update };
}

/** Streams one answer into `answer`, and gives its words. */
async function converse(model, messages, answer, signal, moved) {
  const thinking = h("p", { class: "thinking muted" }, "Thinking…");
  answer.append(thinking);
  let whole = "";
  let part = "";
  let block;
  const cards = new Map();
  const say = (words) => {
    thinking.remove();
    whole += words;
    part += words;
    if (!block) answer.append(block = h("div", { class: "words" }));
    put(block, prose(part));
  };
  const run = (told) => {
    thinking.remove();
    block = undefined;
    part = "";
    let card = cards.get(told.id);
    if (!card) {
      card = h("div", { class: "card tool-card" });
      cards.set(told.id, card);
      answer.append(card);
    }
    const is = told.is_error === undefined ? "running" : told.is_error ? "failed" : "done";
    const kind = { running: "warn", failed: "bad", done: "good" }[is];
    put(card, icon("tools"), h("span", { class: "mono" }, told.name), h("span", { class: `hint ${kind}` }, is),
      told.ms !== undefined && h("span", { class: "muted" }, duration(told.ms)),
      told.refused && h("span", { class: "bad" }, told.refused));
  };
  const fail = (words) => {
    thinking.remove();
    answer.append(h("p", { class: "bad", role: "alert" }, words));
  };
  try {
    const body = { model, messages, stream: true };
    for await (const { data } of events("/v1/chat/completions", { method: "POST", body, signal })) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data);
      if (chunk.error) fail(chunk.error.message);
      if (chunk.tool_run_started) run(chunk.tool_run_started);
      if (chunk.tool_run) run(chunk.tool_run);
      const choice = chunk.choices?.[0];
      if (choice?.delta?.content) say(choice.delta.content);
      if (choice?.finish_reason === "length") fail("The answer is not complete: a limit was reached.");
      moved();
    }
  } catch (error) {
    fail(signal.aborted ? "Stopped." : error.message);
  }
  thinking.remove();
  moved();
  return whole;
}

/** Paragraphs, code and bold words of Markdown, as nodes; anything else stays as it is written. */
function prose(written) {
  return written.trim().split(/(```[^\n]*\n[\s\S]*?(?:```|$))/).map((piece) => {
    const code = /^```[^\n]*\n([\s\S]*?)(?:```)?$/.exec(piece);
    if (code) return h("pre", { class: "said" }, code[1]);
    return piece.split(/\n{2,}/).filter((words) => words.trim()).map((words) => h("p", {},
      words.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/).map((word) => {
        if (word.length > 2 && word.startsWith("`")) return h("code", {}, word.slice(1, -1));
        if (word.length > 4 && word.startsWith("**")) return h("strong", {}, word.slice(2, -2));
        return word;
      })));
  });
}
