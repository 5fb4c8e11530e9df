// A real service in front of a model that answers by rule.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { endModel, startModel } from "./model.mjs";

/** Starts both, and gives the addresses, the token, and `end`, which ends them. */
export async function startService(mcp, more = []) {
  const folder = mkdtempSync(join(tmpdir(), "mcp-service-"));
  const demo = spawn(mcp, ["demo-server", "--http", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  const demoUrl = (await firstLine(demo)).match(/http:\S+/)[0];
  const file = join(folder, "mcp-config.json");
  writeFileSync(file, JSON.stringify(configuration(demoUrl)));
  const model = await startModel();
  const args = ["serve", "--no-pins", "--config", file, "--listen", "127.0.0.1:0", "-o", "json",
    "--model", "rules", "--base-url", `${model}/v1`, ...more];
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: join(folder, "config"),
    XDG_STATE_HOME: join(folder, "state") };
  const child = spawn(mcp, args, { stdio: ["ignore", "pipe", "inherit"], env, cwd: folder });
  const end = () => {
    child.kill();
    demo.kill();
    endModel();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { model, folder, end, ...JSON.parse(await firstLine(child)) };
  } catch (error) {
    end();
    throw error;
  }
}

async function firstLine(child) {
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error("a program ended before it said where it is");
}

/** As mistral.rs has it in its own documentation, but for the address. */
const configuration = (url) => ({
  servers: [
    {
      id: "web_search",
      name: "Web Search API",
      source: { type: "Http", url, timeout_secs: 30 },
      enabled: true,
      tool_prefix: "web",
    },
  ],
  auto_register_tools: true,
  tool_timeout_secs: 30,
  max_concurrent_calls: 10,
});

/** Runs a program to its end; whether all was well with it. */
export const run = (program, args, options = {}) => new Promise((resolve, reject) => {
  const child = spawn(program, args, { stdio: "inherit", timeout: 180_000, ...options });
  child.on("error", reject);
  child.on("close", (code) => resolve(code === 0));
});
