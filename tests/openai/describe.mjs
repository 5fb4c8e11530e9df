// The service's own description, tried out request by request: node describe.mjs MCP SCHEMATHESIS
import { join } from "node:path";
import { run, startService } from "./service.mjs";

const [mcp, schemathesis] = process.argv.slice(2);
const here = import.meta.dirname;
const { folder, url, token, end } = await startService(mcp, ["--sessions"]);
let passed = false;
try {
  const args = [
    "--config-file", join(here, "schemathesis.toml"),
    "run", `${url}/openapi.json`, "-H", `Authorization: Bearer ${token}`, "--no-color",
  ];
  passed = await run(schemathesis, args, { cwd: folder });
} finally {
  end();
}
process.exit(passed ? 0 : 1);
