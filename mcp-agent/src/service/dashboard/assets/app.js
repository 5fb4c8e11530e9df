// The frame around the panes: which one is shown, sign-in, light and dark.

import { ask, json, keepToken, takeToken } from "./api.js";
import { chatPane } from "./chat.js";
import { connectPane } from "./connect.js";
import { h, icon, put, s, text } from "./dom.js";
import { Live } from "./live.js";
import { logPane } from "./log.js";
import { serversPane } from "./servers.js";
import { toolsPane } from "./tools.js";
import { tryPane } from "./try.js";

const PANES = [
  ["servers", "Servers", serversPane],
  ["tools", "Tools", toolsPane],
  ["try", "Try a tool", tryPane],
  ["log", "Live log", logPane],
  ["chat", "Chat", chatPane],
  ["connect", "Connect", connectPane],
];

const THEME = "mcp-theme";

takeToken();
showTheme(localStorage.getItem(THEME));
begin();

async function begin() {
  const app = document.getElementById("app");
  try {
    await ask("/mcp/servers");
  } catch (error) {
    return put(app, signIn(error));
  }
  put(app, ...frame(new Live()));
}

/** For those who come without the address that the service printed. */
function signIn(error) {
  const field = h("input", {
    type: "password", id: "token", name: "token", autocomplete: "current-password", required: true,
  });
  const said = h("p", { class: "bad", role: "alert" }, error.status === 401 ? "" : error.message);
  const form = h("form", { class: "sign-in card" },
    logo(), h("h1", {}, "MCP service"),
    h("p", { class: "muted" }, "Open the address that the service printed when it started, or enter its token."),
    h("label", { htmlFor: "token" }, "Token"), field, said,
    h("button", { class: "primary" }, "Sign in"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    keepToken(field.value.trim());
    try {
      await json("/mcp/servers");
      begin();
    } catch (problem) {
      text(said, problem.status === 401 ? "That is not the token of this service." : problem.message);
      field.select();
    }
  });
  queueMicrotask(() => field.focus());
  return h("main", { id: "main", class: "alone" }, form);
}

function frame(live) {
  const main = h("main", { id: "main", tabIndex: -1 });
  const made = new Map();
  const links = PANES.map(([name, title]) => {
    const badge = h("span", { class: "badge" });
    return h("a", { href: `#/${name}`, id: `nav-${name}` }, icon(name), h("span", {}, title), badge);
  });
  const link = h("span", { class: "link", role: "status" });
  const theme = h("button", { type: "button", class: "quiet round", on: { click: turnTheme } });
  const side = h("header", { class: "side" },
    h("a", { class: "brand", href: "#/servers" }, logo(), h("span", {}, "MCP service")),
    h("nav", { "aria-label": "Panes" }, links),
    h("div", { class: "foot" }, link, theme));

  const show = () => {
    const [wanted, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
    const [name, title, make] = PANES.find(([name]) => name === wanted) ?? PANES[0];
    const isNew = !made.has(name);
    if (isNew) made.set(name, make(live));
    const pane = made.get(name);
    for (const anchor of links) {
      if (anchor.id === `nav-${name}`) anchor.setAttribute("aria-current", "page");
      else anchor.removeAttribute("aria-current");
    }
    document.title = `${title} · MCP service`;
    if (main.firstChild !== pane.element) {
      put(main, pane.element);
      main.scrollTop = 0;
    }
    pane.show?.(rest);
    pane.update?.("shown");
  };
  const update = (what) => {
    for (const pane of made.values()) if (pane.element.isConnected) pane.update?.(what);
    const down = live.servers.filter((server) => ["down", "needs-auth"].includes(server.state)).length;
    const badge = links[0].lastChild;
    text(badge, down || "");
    badge.title = down ? `${down} not available` : "";
    const words = { on: "Live", off: "Connecting…", refused: "Sign in again" };
    link.className = `link ${live.link}`;
    text(link, words[live.link]);
  };
  const turn = () => {
    const dark = isDark();
    put(theme, icon(dark ? "sun" : "moon"));
    theme.setAttribute("aria-label", dark ? "Use light colours" : "Use dark colours");
  };
  function turnTheme() {
    const next = isDark() ? "light" : "dark";
    localStorage.setItem(THEME, next);
    showTheme(next);
    turn();
  }
  turn();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", turn);
  addEventListener("hashchange", () => {
    show();
    main.focus({ preventScroll: true });
  });
  live.onChange(update);
  show();
  update();
  live.start().catch((error) => put(main, h("p", { class: "bad card", role: "alert" }, error.message)));
  return [side, main];
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

function logo() {
  const lines = s("path", { d: "M16 16 8.5 9M16 16l7.5-7M16 16v8" });
  const dots = [[16, 16, 4], [8.5, 9, 2.6], [23.5, 9, 2.6], [16, 24.5, 2.6]].map(([cx, cy, r]) =>
    s("circle", { cx, cy, r }));
  return s("svg", { class: "logo", viewBox: "0 0 32 32", "aria-hidden": "true" },
    s("rect", { width: 32, height: 32, rx: 8 }), lines, ...dots);
}
