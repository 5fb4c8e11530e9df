// One tool: a form from its schema, the call with its progress, and the result.

import { argumentForm } from "./arguments.js";
import { events, token } from "./api.js";
import { copyButton, duration, h, icon, jsonView, put, text } from "./dom.js";
import { resultView } from "./result.js";
import { signature } from "./tools.js";

export function tryPane(live) {
  const chooser = h("select", { id: "try-tool" });
  const about = h("div", { class: "about-tool" });
  const place = h("div", {});
  const asJson = h("input", { type: "checkbox", id: "try-json", role: "switch" });
  const raw = h("textarea", { class: "mono", rows: 8, spellcheck: false, "aria-label": "Arguments as JSON", hidden: true });
  const run = h("button", { class: "primary" }, icon("try"), "Call");
  const stop = h("button", { type: "button", hidden: true }, icon("stop"), "Cancel");
  const said = h("p", { class: "bad", role: "alert" });
  const output = h("div", { class: "output", "aria-live": "polite" });
  const copies = h("div", { class: "copies" });
  const form = h("form", { class: "card", noValidate: true, "aria-label": "Arguments" },
    h("div", { class: "field" }, h("label", { htmlFor: "try-tool" }, "Tool"), chooser), about,
    h("div", { class: "field switch" }, asJson, h("label", { htmlFor: "try-json" }, "Write the arguments as JSON")),
    place, raw, said, h("div", { class: "buttons" }, run, stop));
  const element = h("section", { "aria-labelledby": "try-title" },
    h("div", { class: "head" }, h("h1", { id: "try-title" }, "Try a tool")),
    h("div", { class: "two" }, form,
      h("section", { class: "card", "aria-label": "Result" }, output, copies)));
  let tool;
  let fields;
  let wanted;
  let calling;

  const read = () => {
    if (!asJson.checked) return fields.read();
    const value = raw.value.trim() ? JSON.parse(raw.value) : {};
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("The arguments must be an object.");
    return value;
  };
  const choose = (key) => {
    const found = live.tools.find((one) => keyOf(one) === key);
    if (!found || (tool && keyOf(tool) === key)) return;
    tool = found;
    chooser.value = key;
    fields = argumentForm(tool.inputSchema);
    put(place, fields.element);
    put(about, h("p", { class: "mono signature" }, tool.name, signature(tool)),
      tool.description && h("p", { class: "muted about" }, tool.description));
    raw.value = "{}";
    text(said, "");
    calling?.abort();
    put(output, h("p", { class: "muted" }, "The result will be here."));
    put(copies,
      copyButton("mcp call", () => commandLine(tool, safely(read))),
      copyButton("curl", () => curl(tool, safely(read))),
      copyButton("JSON-RPC", () => JSON.stringify({
        jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: tool.name, arguments: safely(read) },
      }, null, 2)));
  };
  const update = (what) => {
    if (what === "events" || what === "servers" || what === "link") return;
    const keys = live.tools.map(keyOf).join("\n");
    if (chooser.dataset.keys !== keys) {
      chooser.dataset.keys = keys;
      const groups = Object.entries(Object.groupBy(live.tools, (one) => one.server_name));
      put(chooser, groups.map(([server, tools]) => h("optgroup", { label: server },
        tools.map((one) => h("option", { value: keyOf(one) }, one.name)))));
      if (tool) chooser.value = keyOf(tool);
    }
    run.disabled = !live.tools.length;
    if (wanted && live.tools.some((one) => keyOf(one) === wanted)) {
      choose(wanted);
      wanted = undefined;
    } else if (!tool && !wanted && live.tools.length) choose(keyOf(live.tools[0]));
  };
  const show = ([server, name]) => {
    if (name === undefined) return;
    wanted = JSON.stringify([server, name]);
    update("tools");
  };
  chooser.addEventListener("change", () => choose(chooser.value));
  asJson.addEventListener("change", () => {
    try {
      if (asJson.checked) raw.value = JSON.stringify(safely(() => fields.read()), null, 2);
      else fields.write(JSON.parse(raw.value || "{}"));
      text(said, "");
    } catch (error) {
      text(said, error.message);
    }
    raw.hidden = !asJson.checked;
    place.hidden = asJson.checked;
  });
  stop.addEventListener("click", () => calling?.abort());
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let values;
    try {
      values = read();
      text(said, "");
    } catch (error) {
      text(said, error.message);
      return;
    }
    calling?.abort();
    const controller = calling = new AbortController();
    run.disabled = true;
    stop.hidden = false;
    await call(tool, values, output, controller.signal);
    if (calling === controller) {
      run.disabled = false;
      stop.hidden = true;
    }
  });
  return { element, update, show };
}

async function call(tool, values, output, signal) {
  const began = performance.now();
  const bar = h("progress", { "aria-label": "Progress" });
  const message = h("p", { class: "mono progress-message" });
  const clock = h("span", { class: "muted" }, "0.0 s");
  const log = h("ul", { class: "tool-log" });
  put(output, h("div", { class: "running" }, bar, clock), message, log);
  const tick = setInterval(() => text(clock, `${((performance.now() - began) / 1000).toFixed(1)} s`), 100);
  const end = (kind, words, ...shown) => {
    const took = duration(performance.now() - began);
    put(output, h("p", { class: `outcome ${kind}` }, h("strong", {}, words), h("span", { class: "muted" }, ` in ${took}`)),
      shown, log.children.length > 0 && log);
  };
  try {
    const body = { server_name: tool.server_name, tool_name: tool.name, arguments: values };
    for await (const event of events("/mcp/tools/call", { method: "POST", body, signal })) {
      const told = JSON.parse(event.data);
      if (event.name === "progress") {
        if (told.total) {
          bar.max = told.total;
          bar.value = told.progress;
        }
        const far = told.total ? `${told.progress} of ${told.total}` : String(told.progress);
        text(message, [far, told.message].filter(Boolean).join(" · "));
      } else if (event.name === "log") {
        const words = typeof told.data === "string" ? told.data : JSON.stringify(told.data);
        log.append(h("li", {}, h("span", { class: "hint" }, told.level), " ", words));
      } else if (event.name === "result") {
        end(told.isError ? "failed" : "good", told.isError ? "The tool reports an error" : "Done", resultView(told),
          h("details", {}, h("summary", {}, "Whole answer"), jsonView(told)));
        return;
      } else if (event.name === "problem") {
        end("failed", "The call failed", h("p", { class: "bad" }, told.detail));
        return;
      }
    }
    end("failed", "The service ended the call without an answer");
  } catch (error) {
    if (signal.aborted) end("", "Cancelled");
    else end("failed", "The call failed", h("p", { class: "bad" }, error.message));
  } finally {
    clearInterval(tick);
  }
}

function keyOf(tool) {
  return JSON.stringify([tool.server_name, tool.name]);
}

/** What is in the form, or nothing where it cannot be read. */
function safely(read) {
  try {
    return read();
  } catch {
    return {};
  }
}

/** For a POSIX shell. */
function quoted(words) {
  return /^[\w@%+=:,./-]+$/.test(words) ? words : `'${words.replaceAll("'", `'\\''`)}'`;
}

function commandLine(tool, values) {
  const pairs = Object.entries(values).map(([name, value]) =>
    quoted(typeof value === "string" ? `${name}=${value}` : `${name}:=${JSON.stringify(value)}`));
  return ["mcp call", quoted(`${tool.server_name}.${tool.name}`), ...pairs].join(" ");
}

function curl(tool, values) {
  const body = JSON.stringify({ server_name: tool.server_name, tool_name: tool.name, arguments: values });
  const header = token() ? ` \\\n  -H "Authorization: Bearer $TOKEN"` : "";
  return `curl -s ${location.origin}/mcp/tools/call${header} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(body)}`;
}
