// Elements are made by functions, and every string becomes a text node: nothing that a server says
// is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `on` holds listeners; other properties are set where the element has them, and are
 * attributes otherwise. Children are nodes, strings, arrays of them, or nothing. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "class") element.className = value;
    else if (name in element && !name.includes("-") && name !== "list") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children.flat(3).filter((child) => child !== undefined && child !== null && child !== false);
}

/** Puts other children into an element. */
export function put(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** Changes a text only where it is another, so that nothing flickers and no selection is lost. */
export function text(element, value) {
  const string = String(value);
  if (element.textContent !== string) element.textContent = string;
}

const PATHS = {
  servers: "M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01",
  tools: "M14.7 6.3a4 4 0 0 0-5.2 5.2L4 17v3h3l5.5-5.5a4 4 0 0 0 5.2-5.2l-2.6 2.6-2.4-.6-.6-2.4z",
  try: "M7 5v14l12-7z",
  log: "M5 6h14M5 10h9M5 14h14M5 18h7",
  chat: "M4 5h16v11H10l-4 4v-4H4z",
  connect: "M9 3v5M15 3v5M7 8h10v4a5 5 0 0 1-10 0zM12 17v4",
  copy: "M9 9h10v11H9zM5 15V4h10",
  more: "M6 9l6 6 6-6",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M19 5l-1.4 1.4M6.4 17.6 5 19",
  moon: "M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5z",
  plus: "M12 5v14M5 12h14",
  send: "M5 12h13M12 5l7 7-7 7",
  stop: "M7 7h10v10H7z",
};

/** A drawing beside words; it says nothing by itself. */
export function icon(name) {
  const path = s("path", { d: PATHS[name] });
  return s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, path);
}

/** A button that copies what `source` gives, and says so. */
export function copyButton(label, source) {
  const words = h("span", {}, label);
  const button = h("button", { type: "button", class: "quiet" }, icon("copy"), words);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source());
      text(words, "Copied");
    } catch {
      text(words, "Copying is not allowed here");
    }
    setTimeout(() => text(words, label), 1500);
  });
  return button;
}

/** Milliseconds, as people read them. */
export function duration(ms) {
  if (ms === undefined || ms === null) return "–";
  if (ms < 1) return "<1 ms";
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  return `${Math.floor(ms / 3_600_000)} h`;
}

export function count(number) {
  return number.toLocaleString("en");
}

export function share(rate) {
  if (!rate) return "0 %";
  return rate < 0.1 ? `${(rate * 100).toFixed(1)} %` : `${Math.round(rate * 100)} %`;
}

export function plural(number, word) {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}

/** JSON with its parts told apart by colour. */
export function jsonView(value) {
  const out = h("pre", { class: "json", tabIndex: 0 });
  let room = 20_000;
  const write = (kind, string) => {
    room -= 1;
    out.append(kind ? h("span", { class: kind }, string) : string);
  };
  const walk = (item, indent) => {
    if (room <= 0) return;
    if (item === null || typeof item === "boolean") write("word", String(item));
    else if (typeof item === "number") write("number", String(item));
    else if (typeof item === "string") write("string", JSON.stringify(item));
    else {
      const isList = Array.isArray(item);
      const entries = isList ? item.map((entry) => [undefined, entry]) : Object.entries(item);
      if (!entries.length) return write("", isList ? "[]" : "{}");
      write("", isList ? "[" : "{");
      entries.forEach(([key, entry], place) => {
        write("", `${place ? "," : ""}\n${indent}  `);
        if (key !== undefined) {
          write("key", JSON.stringify(key));
          write("", ": ");
        }
        walk(entry, `${indent}  `);
      });
      write("", `\n${indent}${isList ? "]" : "}"}`);
    }
  };
  walk(value, "");
  if (room <= 0) out.append("\n… too long to be shown whole");
  return out;
}
