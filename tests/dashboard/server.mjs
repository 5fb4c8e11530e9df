// An MCP server for the dashboard to show: a form of every kind of field, progress, a picture, an
// end that comes too early, and words that are meant to be taken for markup.
import { existsSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

// While this file is there, it cannot start.
const [full] = process.argv.slice(2);
if (existsSync(full)) fall();

function fall() {
  console.error("panic: the disk is full");
  process.exit(70);
}

const HOSTILE = `</p><img src="x" onerror="document.title='taken over'"><script>document.title='taken over'</script>`;
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const tools = [
  {
    name: "greet", description: "Greets somebody, as often as is wanted.",
    annotations: { readOnlyHint: true },
    inputSchema: {
      type: "object", required: ["name", "tone"],
      properties: {
        name: { type: "string", description: "Who is greeted", examples: ["Ada"] },
        tone: { type: "string", enum: ["kind", "brief"], description: "How it sounds" },
        times: { type: "integer", minimum: 1, maximum: 5, default: 1, description: "How often" },
        loud: { type: "boolean", description: "In capital letters" },
        extra: { type: "object", description: "Given back as it is" },
      },
    },
  },
  {
    name: "count_up", description: "Counts slowly, and tells how far it is.",
    inputSchema: {
      type: "object", properties: { to: { type: "integer", default: 4, description: "Where it ends" } },
    },
  },
  { name: "picture", description: "Draws a dot.", inputSchema: { type: "object" } },
  {
    name: "end", description: "Ends the whole server.", annotations: { destructiveHint: true },
    inputSchema: { type: "object" },
  },
  { name: "hostile", title: HOSTILE, description: HOSTILE, inputSchema: { type: "object" } },
];

const text = (words) => ({ content: [{ type: "text", text: words }] });
const say = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);

async function call({ name, arguments: given = {}, _meta: meta }) {
  switch (name) {
    case "greet": {
      const words = `Hello ${given.name}${given.tone === "kind" ? ", how good to see you" : ""}!`;
      const all = Array(given.times ?? 1).fill(given.loud ? words.toUpperCase() : words).join("\n");
      return given.extra ? { ...text(all), structuredContent: given.extra } : text(all);
    }
    case "count_up":
      for (let progress = 1; progress <= given.to; progress++) {
        say({ method: "notifications/progress", params: {
          progressToken: meta?.progressToken, progress, total: given.to, message: `at ${progress}`,
        } });
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
      return text(`Counted to ${given.to}`);
    case "picture": return { content: [{ type: "image", mimeType: "image/png", data: PIXEL }] };
    case "hostile": return text(HOSTILE);
    case "end":
      writeFileSync(full, "");
      return fall();
    default: return { isError: true, ...text(`no tool ${name}`) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  if (method === "initialize") {
    const { protocolVersion } = params;
    say({ id, result: { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "shown", version: "1.0.0" } } });
  } else if (method === "tools/list") say({ id, result: { tools } });
  else if (method === "tools/call") call(params).then((result) => say({ id, result }));
  else if (method === "ping") say({ id, result: {} });
  else say({ id, error: { code: -32601, message: "Method not found" } });
}
