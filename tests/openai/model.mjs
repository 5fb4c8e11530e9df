// A model that answers by rule, behind the Chat Completions API, so that what the service makes of
// its answers can be held against what is expected.
import { createServer } from "node:http";

/** How many answers without an end were abandoned by whoever asked. */
let abandoned = 0;

/** What is said to a conversation: words, or calls of tools. */
function answer({ messages, tools = [] }) {
  const last = messages.at(-1);
  const asked = [...messages].reverse().find((message) => message.role === "user");
  if (!asked) return { words: "Hello!" };
  const words = typeof asked.content === "string" ? asked.content : JSON.stringify(asked.content);
  if (last.role === "tool") {
    const results = [];
    for (const message of messages.slice(messages.indexOf(asked))) {
      if (message.role === "tool") results.push(message.content);
    }
    return { words: `The results are ${results.join(" and ")}.` };
  }
  const calculator = tools.find((tool) => tool.function.name.endsWith("calculator"));
  const server = { name: calculator?.function.name, arguments: { expression: "6*7" } };
  const client = { name: "weather", arguments: { city: "Rome" } };
  if (words.includes("final_answer") || words.includes("place")) {
    const give = tools.find((tool) => tool.function.name === "final_answer");
    const place = { city: "Rome", country: "Italy" };
    return give ? { calls: [{ name: "final_answer", arguments: place }] }
                : { words: JSON.stringify(place) };
  }
  if (words.includes("both")) return { calls: [server, client] };
  if (words.includes("weather")) return { calls: [client] };
  if (words.includes("6*7")) return { calls: [server] };
  if (words.includes("endless")) return { endless: true };
  return { words: "Hello!" };
}

function chunk(delta, finish = null) {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return { id: "1", object: "chat.completion.chunk", created: 1, model: "rules", choices };
}

async function respond(body, response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const tell = (data) => response.write(`data: ${JSON.stringify(data)}\n\n`);
  const { words, calls, endless } = answer(body);
  if (endless) {
    const timer = setInterval(() => tell(chunk({ content: "and on " })), 20);
    response.on("close", () => {
      clearInterval(timer);
      abandoned += 1;
    });
    return;
  }
  for (const piece of words?.match(/.{1,7}/gs) ?? []) tell(chunk({ content: piece }));
  calls?.forEach(({ name, arguments: given }, index) => {
    const call = { name, arguments: JSON.stringify(given) };
    tell(chunk({ tool_calls: [{ index, id: `call_${index}`, type: "function", function: call }] }));
  });
  tell(chunk({}, calls ? "tool_calls" : "stop"));
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  tell({ ...chunk({}), choices: [], usage });
  response.end("data: [DONE]\n\n");
}

const server = createServer(async (request, response) => {
  if (request.url === "/abandoned") return response.end(String(abandoned));
  if (request.url === "/v1/models") {
    response.writeHead(200, { "content-type": "application/json" });
    return response.end(JSON.stringify({ object: "list", data: [{ id: "rules", object: "model" }] }));
  }
  let text = "";
  for await (const piece of request) text += piece;
  await respond(JSON.parse(text), response);
});

/** Starts it, and gives its address. */
export const startModel = () => new Promise((resolve) => {
  server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
});
export const endModel = () => server.close();
