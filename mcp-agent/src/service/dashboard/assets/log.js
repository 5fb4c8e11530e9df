// What happens, as it happens: calls, and what the servers go through.

import { duration, h, jsonView, put, text } from "./dom.js";

const SHOWN = 300;
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 1, hourCycle: "h23" });

export function logPane(live) {
  const search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search the log" });
  const kind = h("select", { "aria-label": "What is shown" },
    [["", "Everything"], ["call", "Calls"], ["failed", "Failed calls"], ["server", "Servers"]]
      .map(([value, label]) => h("option", { value }, label)));
  const pause = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const state = h("p", { class: "muted", role: "status" });
  const list = h("ol", { class: "card rows log", role: "log", "aria-live": "off", "aria-label": "Events, newest first" });
  const element = h("section", { "aria-labelledby": "log-title" },
    h("div", { class: "head" }, h("h1", { id: "log-title" }, "Live log"), state),
    h("div", { class: "filters" }, search, kind, pause), list);
  const rows = new Map();
  let frozen;

  const draw = () => {
    const words = search.value.toLowerCase();
    const entries = (frozen ?? live.entries).filter((entry) => fits(entry, kind.value, words));
    const shown = entries.slice(-SHOWN).reverse();
    for (const [number, row] of rows) {
      if (!shown.some((entry) => entry.number === number)) rows.delete(number) && row.element.remove();
    }
    shown.forEach((entry, place) => {
      if (!rows.has(entry.number)) rows.set(entry.number, logRow(entry));
      const row = rows.get(entry.number);
      if (list.children[place] !== row.element) list.insertBefore(row.element, list.children[place] ?? null);
      row.update(entry);
    });
    list.querySelector(".empty")?.remove();
    if (!shown.length) list.append(h("li", { class: "empty" }, "Nothing yet. Calls show up here as they happen."));
    const behind = frozen ? live.entries.length - frozen.length : 0;
    text(state, frozen ? `Paused${behind > 0 ? ` · ${behind} more` : ""}` : `${entries.length} events`);
  };
  pause.addEventListener("click", () => {
    frozen = frozen ? undefined : [...live.entries];
    pause.setAttribute("aria-pressed", String(Boolean(frozen)));
    text(pause, frozen ? "Go on" : "Pause");
    draw();
  });
  for (const control of [search, kind]) control.addEventListener("input", draw);
  return { element, update: draw };
}

function fits(entry, kind, words) {
  if (kind === "failed" ? entry.outcome !== "failed" : kind === "server" ? entry.kind === "call" : kind && entry.kind !== kind) return false;
  return !words || JSON.stringify(entry).toLowerCase().includes(words);
}

function logRow(entry) {
  const summary = h("summary", {});
  const inside = h("div", { class: "inside" });
  const details = h("details", {}, summary, inside);
  const element = h("li", {}, details);
  let drawn;
  const fill = (now) => {
    const { arguments: given, result } = now;
    put(inside, now.kind !== "call" ? jsonView(shownOf(now)) : [
      h("p", { class: "muted" }, "Arguments"), jsonView(given ?? null),
      now.phase === "finished" && [h("p", { class: "muted" }, "Result"), typeof result === "string" ? h("pre", { class: "said" }, result) : jsonView(result ?? null)],
    ]);
  };
  details.addEventListener("toggle", () => details.open && fill(entry));
  const update = (now) => {
    const mark = `${now.phase}${now.outcome}`;
    if (drawn === mark) return;
    drawn = mark;
    put(summary, h("time", { class: "muted mono" }, TIME.format(now.at)), words(now));
    if (details.open) fill(now);
  };
  return { element, update };
}

function shownOf({ number, kind, ...told }) {
  return told;
}

function words(entry) {
  if (entry.kind === "call") {
    const outcome = entry.phase === "started" ? "running" : entry.outcome;
    const kind = { ok: "good", failed: "bad", running: "warn", login_required: "warn" }[outcome] ?? "";
    return [h("span", { class: `hint ${kind}` }, outcome), h("span", { class: "mono" }, `${entry.server}.${entry.tool}`),
      h("span", { class: "muted grow ellipsis mono" }, entry.arguments === undefined ? "" : JSON.stringify(entry.arguments)),
      h("span", { class: "muted" }, entry.phase === "finished" ? duration(entry.ms) : ""), h("span", { class: "hint" }, entry.via)];
  }
  const kind = { down: "bad", "needs-auth": "warn", ready: "good", degraded: "warn" }[entry.state] ?? "";
  const told = {
    server: [h("span", { class: `hint ${kind}` }, entry.state ?? "changed"), h("span", { class: "mono" }, entry.server),
      h("span", { class: "muted grow ellipsis" }, entry.reason ?? "")],
    catalog: [h("span", { class: "hint" }, "catalog"), h("span", { class: "mono" }, entry.server), h("span", { class: "muted grow" }, "offers something else now")],
    resource: [h("span", { class: "hint" }, "resource"), h("span", { class: "mono" }, entry.server), h("span", { class: "muted grow ellipsis" }, entry.uri)],
    missed: [h("span", { class: "hint warn" }, "missed"), h("span", { class: "grow" }, `${entry.events} events were too old to be kept`)],
  };
  return told[entry.kind] ?? [h("span", { class: "hint" }, entry.kind)];
}
