// The tools of all servers: what they take, what they cost, how they are used.

import { count, duration, h, plural, put, share, text } from "./dom.js";
import { tokens } from "./live.js";

const ORDERS = {
  server: ["By server", undefined],
  calls: ["Most called", (tool) => tool.usage?.calls ?? 0],
  slow: ["Slowest", (tool) => tool.usage?.average_ms ?? 0],
  tokens: ["Most tokens", (tool) => tool.tokens],
};

export function toolsPane(live) {
  const search = h("input", { type: "search", id: "tools-search", placeholder: "Search names and descriptions", "aria-label": "Search tools" });
  const only = h("select", { "aria-label": "Server" });
  const order = h("select", { "aria-label": "Order" },
    Object.entries(ORDERS).map(([value, [label]]) => h("option", { value }, label)));
  const found = h("p", { class: "muted", role: "status" });
  const list = h("div", { class: "tools" });
  const element = h("section", { "aria-labelledby": "tools-title" },
    h("div", { class: "head" }, h("h1", { id: "tools-title" }, "Tools"), found),
    h("div", { class: "filters" }, search, only, order), list);
  let drawn = "";

  const update = () => {
    const names = [...new Set(live.tools.map((tool) => tool.server_name))];
    if (only.dataset.names !== names.join("\n")) {
      const chosen = only.value;
      only.dataset.names = names.join("\n");
      put(only, h("option", { value: "" }, "All servers"), names.map((name) => h("option", { value: name }, name)));
      only.value = names.includes(chosen) ? chosen : "";
    }
    draw();
  };
  const draw = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = live.tools
      .filter((tool) => !only.value || tool.server_name === only.value)
      .filter((tool) => {
        const said = `${tool.server_name} ${tool.name} ${tool.title ?? ""} ${tool.description ?? ""}`.toLowerCase();
        return words.every((word) => said.includes(word));
      })
      .map((tool) => ({ ...tool, tokens: tokens(tool), usage: live.usage(tool) }));
    const by = ORDERS[order.value][1];
    if (by) shown.sort((one, other) => by(other) - by(one));
    const key = JSON.stringify([order.value, live.toolProblems.map((problem) => [problem.server, problem.title]), shown.map((tool) => [tool.server_name, tool.name, tool.description, tool.usage])]);
    // Drawing the same again would take the focus away from whoever is in there.
    if (key === drawn) return;
    drawn = key;
    const sum = shown.reduce((total, tool) => total + tool.tokens, 0);
    text(found, `${plural(shown.length, "tool")} · ~${count(sum)} tokens`);
    const most = Math.max(1, ...shown.map((tool) => tool.usage?.calls ?? 0));
    const groups = by ? [["", shown]] : Object.entries(Object.groupBy(shown, (tool) => tool.server_name));
    put(list,
      live.toolProblems.map((problem) => h("p", { class: "card notice bad" },
        h("strong", {}, problem.server), ` does not tell its tools: ${problem.title}. `, h("a", { href: "#/servers" }, "Why?"))),
      groups.map(([server, tools]) => h("section", {},
        server && h("h2", { class: "group" }, server, h("span", { class: "muted" }, ` ${tools.length}`)),
        h("ul", { class: "card rows" }, tools.map((tool) => toolRow(tool, most, !server))))),
      !shown.length && h("p", { class: "empty card" }, live.tools.length ? "No tool fits." : "The servers offer no tools."));
  };
  for (const control of [search, only, order]) control.addEventListener("input", draw);
  const show = ([server]) => {
    if (server === undefined) return;
    update();
    only.value = server;
    draw();
  };
  return { element, update, show };
}

function toolRow(tool, most, withServer) {
  const { usage } = tool;
  const path = [tool.server_name, tool.name].map(encodeURIComponent).join("/");
  const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span"));
  bar.firstChild.style.width = `${((usage?.calls ?? 0) / most) * 100}%`;
  return h("li", { class: "tool" },
    h("div", { class: "what" },
      h("h3", { class: "mono" }, withServer && h("span", { class: "muted" }, `${tool.server_name} / `), tool.name,
        h("span", { class: "signature" }, signature(tool))),
      tool.description && h("p", { class: "about" }, tool.description),
      h("p", { class: "hints" }, hints(tool))),
    h("div", { class: "use" },
      usage ? [bar, h("span", {}, `${plural(usage.calls, "call")} · ${duration(usage.average_ms)}`),
        usage.errors > 0 && h("span", { class: "bad" }, `${share(usage.errors / usage.calls)} errors`)]
        : h("span", { class: "muted" }, "not called yet")),
    h("a", { class: "button", href: `#/try/${path}`, "aria-label": `Try ${tool.name} of ${tool.server_name}` }, "Try"));
}

/** What it takes, in few words: `(city: string, [days]: integer)`. */
export function signature(tool) {
  const { properties = {}, required = [] } = tool.inputSchema ?? {};
  const taken = Object.entries(properties).map(([name, schema]) => {
    const type = Array.isArray(schema?.type) ? schema.type.join("|") : schema?.type;
    const typed = schema?.enum ? "choice" : type;
    return (required.includes(name) ? name : `[${name}]`) + (typed ? `: ${typed}` : "");
  });
  return `(${taken.join(", ")})`;
}

function hints(tool) {
  const { annotations = {} } = tool;
  const hint = (words, kind = "") => h("span", { class: `hint ${kind}` }, words);
  return [
    annotations.readOnlyHint && hint("read-only", "good"),
    annotations.destructiveHint && !annotations.readOnlyHint && hint("destructive", "warn"),
    annotations.idempotentHint && !annotations.readOnlyHint && hint("idempotent"),
    annotations.openWorldHint && hint("open world"),
    hint(`~${count(tool.tokens)} tokens`),
  ];
}
