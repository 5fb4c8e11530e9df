// What a tool gave back.

import { h, jsonView, plural } from "./dom.js";

const PICTURES = /^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml)$/;
const SOUNDS = /^audio\/[a-z0-9.+-]+$/;

export function resultView(result) {
  const blocks = result.content ?? [];
  return h("div", { class: "result" },
    blocks.map(block),
    result.structuredContent !== undefined && !repeats(result) &&
      h("figure", {}, h("figcaption", { class: "muted" }, "Structured content"), jsonView(result.structuredContent)),
    !blocks.length && result.structuredContent === undefined && h("p", { class: "muted" }, "An empty result."));
}

/** Whether the only text is the structured content once more. */
function repeats({ content, structuredContent }) {
  if (content?.length !== 1 || content[0].type !== "text") return false;
  try {
    return JSON.stringify(JSON.parse(content[0].text)) === JSON.stringify(structuredContent);
  } catch {
    return false;
  }
}

function block(part) {
  switch (part.type) {
    case "text": return written(part.text);
    case "image": return picture(part.mimeType, part.data);
    case "audio": return sound(part.mimeType, part.data);
    case "resource_link":
      return h("p", { class: "mono" }, part.title ?? part.name ?? "", " ", h("span", { class: "muted" }, part.uri));
    case "resource": {
      const { uri, mimeType = "", text: said, blob } = part.resource ?? {};
      const inside = said !== undefined ? written(said)
        : PICTURES.test(mimeType) ? picture(mimeType, blob) : binary(mimeType, blob);
      return h("figure", {}, h("figcaption", { class: "muted mono" }, uri), inside);
    }
    default: return jsonView(part);
  }
}

function written(said) {
  if (/^\s*[[{]/.test(said)) {
    try {
      return jsonView(JSON.parse(said));
    } catch {
      // Text that only begins like JSON.
    }
  }
  return h("pre", { class: "said", tabIndex: 0 }, said);
}

function picture(kind, data) {
  if (!PICTURES.test(kind)) return binary(kind, data);
  return h("img", { src: `data:${kind};base64,${data}`, alt: `A picture from the tool (${kind})` });
}

function sound(kind, data) {
  if (!SOUNDS.test(kind)) return binary(kind, data);
  return h("audio", { controls: true, src: `data:${kind};base64,${data}` });
}

function binary(kind, data = "") {
  return h("p", { class: "muted" }, `${plural(Math.floor(data.length * 0.75), "byte")} of ${kind || "an unknown kind"}`);
}
