// The official clients of OpenAI's API against a real service: node run.mjs MCP PYTHON
import { join } from "node:path";
import { run, startService } from "./service.mjs";

const [mcp, python] = process.argv.slice(2);
const here = import.meta.dirname;
const { model, url, token, end } = await startService(mcp);
let passed = true;
try {
  const args = [`${url}/v1`, token, model];
  passed = await run(process.execPath, [join(here, "check.mjs"), ...args]) && passed;
  passed = await run(python, [join(here, "check.py"), ...args]) && passed;
} finally {
  end();
}
process.exit(passed ? 0 : 1);
