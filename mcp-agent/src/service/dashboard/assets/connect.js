// How other programs reach the service.

import { token } from "./api.js";
import { copyButton, h, put, text } from "./dom.js";

const HIDDEN = "••••••••";

export function connectPane(live) {
  const list = h("div", { class: "snippets" });
  const shown = h("input", { type: "checkbox", id: "show-token", role: "switch" });
  const element = h("section", { "aria-labelledby": "connect-title" },
    h("div", { class: "head" }, h("h1", { id: "connect-title" }, "Connect"),
      token() && h("div", { class: "field switch" }, shown, h("label", { htmlFor: "show-token" }, "Show the token"))),
    h("p", { class: "muted" }, "One address for all servers. What is copied has the token in it, shown or not."), list);
  const draw = () => {
    put(list, snippets(live).map(([title, where, make]) => {
      const code = h("pre", { class: "said", tabIndex: 0 }, make(shown.checked ? token() : HIDDEN));
      return h("section", { class: "card snippet" },
        h("div", { class: "head" }, h("h2", {}, title), copyButton("Copy", () => make(token()))),
        h("p", { class: "muted mono" }, where), code);
    }));
  };
  shown.addEventListener("change", draw);
  return { element, update: (what) => (what === "shown" || what === "model") && draw() };
}

/** Title, where it belongs, and the text for a token. */
function snippets(live) {
  const url = `${location.origin}/mcp`;
  const headers = (secret) => (secret ? { headers: { Authorization: `Bearer ${secret}` } } : {});
  const pretty = (value) => JSON.stringify(value, null, 2);
  const all = [
    ["Cursor", ".cursor/mcp.json", (secret) => pretty({ mcpServers: { gateway: { url, ...headers(secret) } } })],
    ["VS Code", ".vscode/mcp.json", (secret) => pretty({ servers: { gateway: { type: "http", url, ...headers(secret) } } })],
    ["Claude Code", "in a shell", (secret) =>
      `claude mcp add --transport http gateway ${url}${secret ? ` \\\n  --header "Authorization: Bearer ${secret}"` : ""}`],
    ["Codex", "~/.codex/config.toml", () =>
      `[mcp_servers.gateway]\nurl = "${url}"${token() ? `\nbearer_token_env_var = "MCP_SERVICE_TOKEN"` : ""}`],
    ["This command line", "in a shell", (secret) => `mcp tools ${url}${secret ? ` -H "Authorization: Bearer ${secret}"` : ""}`],
    ["Prometheus", "prometheus.yml", (secret) =>
      `scrape_configs:\n  - job_name: mcp\n    static_configs:\n      - targets: ["${location.host}"]${secret ? `\n    authorization:\n      credentials: ${secret}` : ""}`],
  ];
  if (live.model) {
    all.splice(4, 0, ["OpenAI clients", "Python", (secret) =>
      `from openai import OpenAI\n\nclient = OpenAI(base_url="${location.origin}/v1", api_key="${secret ?? "none"}")`]);
  }
  return all;
}
