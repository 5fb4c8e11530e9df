// The official clients of OpenAI's API against a real service: node run.mjs MCP PYTHON
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { endModel, startModel } from "./model.mjs";

const [mcp, python] = process.argv.slice(2);
const here = import.meta.dirname;
/** Of everything together, in milliseconds. */
const DEADLINE = 120_000;

async function startService(model, folder) {
  const file = join(folder, "servers.json");
  writeFileSync(file, JSON.stringify({ mcpServers: { demo: { command: mcp, args: ["demo-server"] } } }));
  const args = ["serve", "--config", file, "--listen", "127.0.0.1:0", "-o", "json",
    "--model", "rules", "--base-url", `${model}/v1`];
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: join(folder, "config"),
    XDG_STATE_HOME: join(folder, "state") };
  const child = spawn(mcp, args, { stdio: ["ignore", "pipe", "inherit"], env, cwd: folder });
  for await (const line of createInterface({ input: child.stdout })) return { child, ...JSON.parse(line) };
  throw new Error("the service ended before it said where it is");
}

const run = (program, args) => new Promise((resolve, reject) => {
  const child = spawn(program, args, { stdio: "inherit", timeout: DEADLINE });
  child.on("error", reject);
  child.on("close", (code) => resolve(code === 0));
});

const folder = mkdtempSync(join(tmpdir(), "mcp-openai-"));
const model = await startModel();
const { child, url, token } = await startService(model, folder);
let passed = true;
try {
  const args = [`${url}/v1`, token, model];
  passed = await run(process.execPath, [join(here, "check.mjs"), ...args]) && passed;
  passed = await run(python, [join(here, "check.py"), ...args]) && passed;
} finally {
  child.kill();
  endModel();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(passed ? 0 : 1);
