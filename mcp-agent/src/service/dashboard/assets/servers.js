// Every server: what it does, why it is down, how fast it answers.

import { json } from "./api.js";
import { count, duration, h, icon, plural, put, s, share, text } from "./dom.js";

const WORDS = {
  ready: "Ready", starting: "Starting", degraded: "Degraded", down: "Down", stopped: "Stopped",
  "needs-auth": "Needs login", disabled: "Disabled", "not-configured": "Not configured",
  refused: "Refused", "per-caller": "For each caller",
};

export function serversPane(live) {
  const rows = new Map();
  const list = h("ul", { class: "servers", "aria-label": "Servers" });
  const tiles = h("dl", { class: "tiles" });
  const dialog = addDialog(live);
  const add = h("button", { type: "button", on: { click: () => dialog.showModal() } },
    icon("plus"), "Add a server");
  const said = h("p", { class: "sr", role: "status" });
  const element = h("section", { "aria-labelledby": "servers-title" },
    h("div", { class: "head" }, h("h1", { id: "servers-title" }, "Servers"), add),
    tiles, said, list, dialog);
  let announced = "";

  const update = () => {
    const { servers } = live;
    const names = new Set(servers.map((server) => server.name));
    for (const [name, row] of rows) {
      if (!names.has(name)) {
        row.element.remove();
        rows.delete(name);
      }
    }
    servers.forEach((server, place) => {
      if (!rows.has(server.name)) rows.set(server.name, serverRow(server.name, live));
      const row = rows.get(server.name);
      if (list.children[place] !== row.element) list.insertBefore(row.element, list.children[place]);
      row.update(server);
    });
    if (!servers.length) put(list, h("li", { class: "empty" }, "No servers yet. Add one by its URL."));
    else list.querySelector(".empty")?.remove();
    showTiles(tiles, live);
    const down = servers.filter((server) => !server.connected).map((server) =>
      `${server.name}: ${WORDS[server.state] ?? server.state}`);
    if (down.join() !== announced) {
      announced = down.join();
      text(said, down.length ? `Not available: ${down.join(", ")}` : "All servers are available");
    }
  };
  return { element, update };
}

function showTiles(tiles, live) {
  const { servers, tools } = live;
  const up = servers.filter((server) => server.connected).length;
  const perMinute = servers.reduce((sum, server) => sum + (server.requests_per_minute ?? 0), 0);
  const failed = servers.reduce((sum, server) =>
    sum + (server.error_rate ?? 0) * (server.requests_per_minute ?? 0), 0);
  const slowest = Math.max(0, ...servers.map((server) => server.latency_ms?.p95 ?? 0));
  const tile = (label, value, note, kind = "") =>
    h("div", { class: `tile ${kind}` }, h("dt", {}, label),
      h("dd", {}, h("strong", {}, value), note && h("span", { class: "muted" }, ` ${note}`)));
  put(tiles,
    tile("Available", String(up), `of ${servers.length}`, up < servers.length ? "bad" : ""),
    tile("Tools", count(tools.length)),
    tile("Requests", count(perMinute), "last min"),
    tile("Without answer", share(perMinute ? failed / perMinute : 0), "last min",
      failed ? "bad" : ""),
    tile("Slowest p95", slowest ? duration(slowest) : "–"));
}

function serverRow(name, live) {
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  const state = h("span", { class: "state" });
  const endpoint = h("p", { class: "endpoint mono" });
  const reason = h("p", { class: "reason" });
  const version = h("dd", {});
  const tools = h("a", { href: "#/tools" });
  const p50 = h("dd", {});
  const calls = h("dd", {});
  const errors = h("dd", {});
  const line = s("polyline", {});
  const spark = s("svg", { class: "spark", viewBox: "0 0 100 28", preserveAspectRatio: "none", "aria-hidden": "true" }, line);
  const details = h("div", { class: "details", hidden: true, id: `server-${name}` });
  const more = h("button", {
    type: "button", class: "quiet round more", "aria-expanded": "false",
    "aria-controls": details.id, "aria-label": `Details of ${name}`,
  }, icon("more"));
  const element = h("li", { class: "card server" },
    h("div", { class: "row" },
      h("div", { class: "who" },
        h("h2", {}, dot, h("span", { class: "name" }, name), state), endpoint, reason),
      h("dl", { class: "numbers" },
        h("div", { class: "wide" }, h("dt", {}, "Latency"), h("dd", {}, spark)),
        h("div", {}, h("dt", {}, "p50 / p95"), p50),
        h("div", {}, h("dt", {}, "Calls"), calls),
        h("div", {}, h("dt", {}, "Errors"), errors),
        h("div", {}, h("dt", {}, "Tools"), h("dd", {}, tools)),
        h("div", {}, h("dt", {}, "Protocol"), version)),
      more),
    details);
  more.addEventListener("click", () => {
    details.hidden = !details.hidden;
    more.setAttribute("aria-expanded", String(!details.hidden));
    if (!details.hidden) showDetails(details, name, live);
  });
  let shownState = "";

  const update = (server) => {
    element.className = `card server ${server.state}`;
    text(state, WORDS[server.state] ?? server.state);
    text(endpoint, server.endpoint);
    endpoint.title = server.endpoint;
    reason.hidden = !server.reason;
    text(reason, server.reason ? told(server) : "");
    text(version, server.protocol_version ?? "–");
    text(tools, count(live.tools.filter((tool) => tool.server_name === name).length));
    tools.setAttribute("aria-label", `Tools of ${name}`);
    tools.href = `#/tools/${encodeURIComponent(name)}`;
    const latency = server.latency_ms;
    text(p50, latency ? `${duration(latency.p50)} / ${duration(latency.p95)}` : "–");
    text(calls, count(server.calls));
    text(errors, share(server.calls ? server.failures / server.calls : 0));
    draw(line, live.latencies(name));
    // Not under the hand of somebody who is about to press a button in there.
    const isUsed = details.contains(document.activeElement);
    if (!details.hidden && shownState !== server.state && !isUsed) showDetails(details, name, live);
    shownState = server.state;
  };
  return { element, update };
}

/** Why it is not there. Its address stands above already. */
function told({ reason, endpoint, retry_in_ms: retry }) {
  const short = reason.replaceAll(endpoint, "it");
  const next = retry === undefined ? "" : `. Next try in ${duration(retry)}.`;
  return short.charAt(0).toUpperCase() + short.slice(1) + next;
}

/** A line through the latencies, from the floor to the slowest. */
function draw(line, latencies) {
  line.classList.toggle("none", !latencies.length);
  if (!latencies.length) return line.setAttribute("points", "0,26 100,26");
  const top = Math.max(...latencies, 1);
  const step = 100 / Math.max(latencies.length - 1, 1);
  const points = latencies.map((ms, place) => `${(place * step).toFixed(1)},${(26 - (ms / top) * 23).toFixed(1)}`);
  if (points.length === 1) points.push(`100,${points[0].split(",")[1]}`);
  line.setAttribute("points", points.join(" "));
}

async function showDetails(details, name, live) {
  let told;
  try {
    told = await json(`/mcp/servers/${encodeURIComponent(name)}`);
  } catch (error) {
    put(details, h("p", { class: "bad" }, error.message));
    return;
  }
  const { server, stderr } = told;
  // In a moment there is more to say.
  if (server.state === "starting") setTimeout(() => details.hidden || showDetails(details, name, live), 1000);
  const said = h("p", { class: "bad", role: "alert" });
  const act = (label, method, path, kind = "") => {
    const button = h("button", { type: "button", class: kind }, label);
    button.addEventListener("click", async () => {
      // What cannot be undone is asked for twice.
      if (method === "DELETE" && button.dataset.sure !== "yes") {
        button.dataset.sure = "yes";
        text(button, `Really remove ${name}?`);
        return;
      }
      button.disabled = true;
      try {
        await json(`/mcp/servers/${encodeURIComponent(name)}${path}`, { method });
        text(said, "");
      } catch (error) {
        text(said, error.message);
      }
      button.disabled = false;
      live.refresh();
    });
    return button;
  };
  const isOff = server.state === "disabled" || server.state === "stopped";
  const facts = [
    ["Server", server.server_info ? `${server.server_info.name} ${server.server_info.version}` : "–"],
    ["Last start took", duration(server.start_ms)],
    ["Started again", `${plural(server.restarts, "time")}`],
    ["Last answer", server.last_good_ago_ms === undefined ? "none" : `${duration(server.last_good_ago_ms)} ago`],
  ];
  put(details,
    h("dl", { class: "facts" }, facts.map(([label, value]) =>
      h("div", {}, h("dt", {}, label), h("dd", {}, value)))),
    server.callers_log_in && loginRow(name, live),
    server.state === "needs-auth" && !server.callers_log_in &&
      h("p", {}, "Log in on the machine of the service: ", h("code", {}, `mcp login ${name}`)),
    h("div", { class: "buttons" },
      act(isOff ? "Start" : "Restart", "POST", "/restart"),
      act("Remove", "DELETE", "", "danger")),
    said,
    stderr.length > 0 && h("figure", {}, h("figcaption", { class: "muted" }, "Last lines on standard error"),
      h("pre", { class: "said", tabIndex: 0 }, stderr.join("\n"))));
}

/** Where each caller logs in: whether whoever looks has, and the other of the two. */
function loginRow(name, live) {
  const words = h("p", { role: "status" });
  const said = h("p", { class: "bad", role: "alert" });
  const button = h("button", { type: "button", hidden: true });
  const row = h("div", { class: "login" }, words, h("div", { class: "buttons" }, button), said);
  const look = async () => {
    try {
      const { logins } = await json("/mcp/logins");
      const login = logins.find((one) => one.server_name === name);
      const isIn = login?.logged_in === true;
      const rights = isIn && login.scopes?.length ? ` for ${login.scopes.join(", ")}` : "";
      text(words, isIn ? `You are logged in here${rights}.` : "You are not logged in here.");
      text(button, isIn ? `Log out of ${name}` : `Log in to ${name}`);
      button.hidden = false;
      button.dataset.in = isIn ? "yes" : "no";
    } catch (error) {
      text(said, error.message);
    }
  };
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      if (button.dataset.in === "yes") {
        await json(`/mcp/logins/${encodeURIComponent(name)}`, { method: "DELETE" });
        await look();
        live.refresh();
      } else {
        const { url } = await json("/mcp/logins", { method: "POST", body: { server_name: name } });
        // The page of this very service: it has the token of this tab.
        location.assign(url);
      }
    } catch (error) {
      text(said, error.message);
    }
    button.disabled = false;
  });
  look();
  return row;
}

function addDialog(live) {
  const name = h("input", { id: "add-name", required: true, maxLength: 64, autocomplete: "off", pattern: "[^\\/]+" });
  const url = h("input", { id: "add-url", type: "url", required: true, autocomplete: "off", placeholder: "http://127.0.0.1:8000/mcp" });
  const authorization = h("input", { id: "add-authorization", type: "password", autocomplete: "off", placeholder: "Bearer …" });
  const said = h("p", { class: "bad", role: "alert" });
  const save = h("button", { class: "primary" }, "Add");
  const dialog = h("dialog", { "aria-labelledby": "add-title" });
  const form = h("form", {},
    h("h2", { id: "add-title" }, "Add a server"),
    h("p", { class: "muted" }, "One that is reached by URL. A server that is a command can only be configured where the service runs."),
    h("label", { htmlFor: "add-name" }, "Name"), name,
    h("label", { htmlFor: "add-url" }, "URL"), url,
    h("label", { htmlFor: "add-authorization" }, "Authorization header, if it needs one"), authorization,
    said,
    h("div", { class: "buttons end" },
      h("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"), save));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    save.disabled = true;
    const body = { name: name.value.trim(), url: url.value.trim() };
    if (authorization.value) body.headers = { Authorization: authorization.value };
    try {
      await json("/mcp/servers", { method: "POST", body });
      form.reset();
      text(said, "");
      dialog.close();
      live.refresh();
    } catch (error) {
      text(said, error.message);
    }
    save.disabled = false;
  });
  dialog.append(form);
  return dialog;
}
