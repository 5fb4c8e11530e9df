// The service through the official client for Node: node check.mjs BASE_URL KEY MODEL_URL
import assert from "node:assert/strict";
import OpenAI from "openai";

const [baseURL, apiKey, modelUrl] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const parameters = {
  type: "object", properties: { city: { type: "string" } }, required: ["city"],
  additionalProperties: false,
};
const place = {
  type: "object", required: ["city", "country"], additionalProperties: false,
  properties: { city: { type: "string" }, country: { type: "string" } },
};
const ask = (content, more = {}) =>
  client.chat.completions.create({ model: "any", messages: [{ role: "user", content }], ...more });

const checks = {
  async "chat: models are listed"() {
    const models = await client.models.list();
    assert.equal(models.data.length, 1);
  },
  async "chat: without a client, as the documentation of mistral.rs asks"() {
    const body = { model: "phi-3.5", messages: [{ role: "user", content: "What is 6*7?" }] };
    const headers = { "content-type": "application/json", authorization: `Bearer ${apiKey}` };
    const options = { method: "POST", headers, body: JSON.stringify(body) };
    const answer = await (await fetch(`${baseURL}/chat/completions`, options)).json();
    assert.equal(answer.choices[0].message.content, "The results are 42.");
  },
  async "chat: a server's tool is used"() {
    const answer = await ask("What is 6*7?");
    assert.equal(answer.choices[0].message.content, "The results are 42.");
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(answer.usage.total_tokens > 0);
  },
  async "chat: a stream, with its usage"() {
    const stream = await ask("What is 6*7?", {
      stream: true, stream_options: { include_usage: true },
    });
    let words = "";
    let usage;
    for await (const chunk of stream) {
      words += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage ?? usage;
    }
    assert.equal(words, "The results are 42.");
    assert.ok(usage.total_tokens > 0);
  },
  async "chat: tools of the client, by the client's own loop"() {
    const cities = [];
    const weather = ({ city }) => {
      cities.push(city);
      return "sunny";
    };
    const tools = [{
      type: "function",
      function: { name: "weather", description: "Tells.", parse: JSON.parse, function: weather, parameters },
    }];
    const messages = [{ role: "user", content: "Do both." }];
    const runner = client.chat.completions.runTools({ model: "any", messages, tools });
    assert.equal(await runner.finalContent(), "The results are 42 and sunny.");
    assert.deepEqual(cities, ["Rome"]);
  },
  async "chat: the same in a stream"() {
    const tools = [{
      type: "function",
      function: { name: "weather", parse: JSON.parse, function: () => "sunny", parameters },
    }];
    const messages = [{ role: "user", content: "Do both." }];
    const runner = client.chat.completions.runTools({ model: "any", messages, tools, stream: true });
    assert.equal(await runner.finalContent(), "The results are 42 and sunny.");
  },
  async "chat: an answer of a shape"() {
    const answer = await client.chat.completions.parse({
      model: "any", messages: [{ role: "user", content: "Name a place." }],
      response_format: { type: "json_schema", json_schema: { name: "place", strict: true, schema: place } },
    });
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), { city: "Rome", country: "Italy" });
  },
  async "chat: what is not offered is refused by name"() {
    await assert.rejects(ask("Hi", { n: 2 }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.deepEqual([error.param, error.code], ["n", "unsupported_parameter"]);
      return true;
    });
  },
  async "chat: a client that goes away ends the model's answer"() {
    const before = await abandoned();
    const stream = await ask("Be endless.", { stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
    await until(async () => (await abandoned()) > before);
  },
  async "responses: words and a server's tool"() {
    const response = await client.responses.create({ model: "any", input: "What is 6*7?" });
    assert.equal(response.status, "completed");
    assert.equal(response.output_text, "The results are 42.");
    assert.deepEqual(response.output.map((item) => item.type), ["mcp_call", "message"]);
  },
  async "responses: a stream, as the client puts it together"() {
    const stream = client.responses.stream({ model: "any", input: "What is 6*7?" });
    const kinds = [];
    for await (const event of stream) kinds.push(event.type);
    const response = await stream.finalResponse();
    assert.equal(response.output_text, "The results are 42.");
    assert.equal(kinds[0], "response.created");
    assert.equal(kinds.at(-1), "response.completed");
  },
  async "responses: tools of the client, on by the answer's name"() {
    const tools = [{ type: "function", name: "weather", strict: true, parameters }];
    const first = await client.responses.create({ model: "any", input: "Do both.", tools });
    const call = first.output.find((item) => item.type === "function_call");
    assert.deepEqual(JSON.parse(call.arguments), { city: "Rome" });
    const input = [{ type: "function_call_output", call_id: call.call_id, output: "sunny" }];
    const second = await client.responses.create({
      model: "any", previous_response_id: first.id, input, tools,
    });
    assert.equal(second.output_text, "The results are 42 and sunny.");
    const kept = await client.responses.retrieve(second.id);
    assert.equal(kept.output_text, second.output_text);
    await client.responses.delete(second.id);
    await assert.rejects(client.responses.retrieve(second.id), OpenAI.NotFoundError);
  },
  async "responses: tools of the client, on by the items"() {
    const tools = [{ type: "function", name: "weather", strict: true, parameters }];
    const input = [{ role: "user", content: "Do both." }];
    const first = await client.responses.create({ model: "any", input, tools, store: false });
    const call = first.output.find((item) => item.type === "function_call");
    input.push(...first.output);
    input.push({ type: "function_call_output", call_id: call.call_id, output: "sunny" });
    const second = await client.responses.create({ model: "any", input, tools, store: false });
    assert.equal(second.output_text, "The results are 42 and sunny.");
  },
  async "responses: an answer of a shape"() {
    const response = await client.responses.parse({
      model: "any", input: "Name a place.",
      text: { format: { type: "json_schema", name: "place", strict: true, schema: place } },
    });
    assert.deepEqual(JSON.parse(response.output_text), { city: "Rome", country: "Italy" });
  },
};

async function abandoned() {
  return Number(await (await fetch(`${modelUrl}/abandoned`)).text());
}

async function until(met) {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await met()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("it did not happen within 10 s");
}

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`node    ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`node    FAILED  ${name}\n${error.stack}`);
  }
}
process.exit(failed === 0 ? 0 : 1);
