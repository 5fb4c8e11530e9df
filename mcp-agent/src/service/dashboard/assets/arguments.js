// A form made of the JSON Schema of a tool's arguments.

import { h, text } from "./dom.js";

const INPUTS = { date: "date", "date-time": "datetime-local", time: "time", email: "email", uri: "url" };

/** The form for `schema`. `read` gives the arguments, or throws with what is missing shown beside
 * the field; `write` fills the form. Leaving an optional field empty leaves the argument out. */
export function argumentForm(schema) {
  const { properties = {}, required = [] } = schema ?? {};
  const fields = Object.entries(properties).map(([name, given]) =>
    field(name, simplified(given, schema), required.includes(name)));
  // Those that are needed come first.
  fields.sort((one, other) => other.required - one.required);
  const element = h("div", { class: "fields" },
    fields.map((each) => each.element),
    !fields.length && h("p", { class: "muted" }, "It takes no arguments."));
  return {
    element,
    read() {
      const values = {};
      let first;
      for (const each of fields) {
        each.complain("");
        try {
          const value = each.read();
          if (value !== undefined) values[each.name] = value;
        } catch (error) {
          each.complain(error.message);
          first ??= each;
        }
      }
      if (first) {
        first.focus();
        throw new Error("Some arguments are not right.");
      }
      return values;
    },
    write(values) {
      for (const each of fields) if (each.name in values) each.write(values[each.name]);
    },
  };
}

/** Follows a reference inside the schema, and takes what is not `null` of alternatives. */
function simplified(schema, root, depth = 0) {
  if (!schema || typeof schema !== "object" || depth > 8) return {};
  const { $ref: reference } = schema;
  if (typeof reference === "string" && reference.startsWith("#/")) {
    let target = root;
    for (const step of reference.slice(2).split("/")) {
      target = target?.[decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~")];
    }
    return { ...simplified(target, root, depth + 1), ...schema, $ref: undefined };
  }
  const others = (schema.anyOf ?? schema.oneOf)?.filter((one) => one?.type !== "null");
  if (others?.length === 1) {
    return { ...simplified(others[0], root, depth + 1), ...schema, anyOf: undefined, oneOf: undefined };
  }
  if (others?.every((one) => "const" in one)) {
    return { ...schema, enum: others.map((one) => one.const) };
  }
  const types = [schema.type].flat().filter((type) => type !== "null");
  return { ...schema, type: types.length === 1 ? types[0] : undefined };
}

function field(name, schema, required) {
  const id = `argument-${name}`;
  const made = control(schema, required);
  const { input } = made;
  input.id = id;
  input.name = name;
  const said = h("p", { class: "bad", id: `${id}-said`, role: "alert" });
  input.setAttribute("aria-describedby", `${id}-about ${id}-said`);
  if (required) input.setAttribute("aria-required", "true");
  const kind = schema.enum ? "" : schema.type ?? "JSON";
  const label = h("label", { htmlFor: id }, h("span", { class: "mono" }, name),
    required ? h("span", { class: "needed" }, " needed") : "",
    h("span", { class: "muted" }, ` ${kind}${limits(schema)}`));
  const about = h("p", { class: "muted about", id: `${id}-about` }, schema.description ?? "");
  const element = h("div", { class: `field ${made.kind}` }, made.kind === "switch" ? [input, label] : [label, input], about, said);
  if (schema.default !== undefined) made.write(schema.default);
  return {
    name, required, element, write: made.write,
    read: () => {
      const value = made.read();
      if (value === undefined && required) throw new Error("This is needed.");
      return value;
    },
    complain(words) {
      text(said, words);
      input.setAttribute("aria-invalid", String(Boolean(words)));
    },
    focus: () => input.focus(),
  };
}

function limits({ minimum, maximum, minLength, maxLength }) {
  const from = minimum ?? minLength;
  const to = maximum ?? maxLength;
  if (from === undefined && to === undefined) return "";
  return ` ${from ?? "…"} to ${to ?? "…"}`;
}

function control(schema, required) {
  if (schema.enum) return choice(schema, required);
  if (schema.type === "boolean") return toggle(required);
  if (schema.type === "number" || schema.type === "integer") return number(schema);
  if (schema.type === "string") return string(schema);
  return anything(schema);
}

function choice(schema, required) {
  const input = h("select", {},
    !(required && schema.default !== undefined) && h("option", { value: "" }, required ? "Choose…" : "–"),
    schema.enum.map((value, place) => h("option", { value: String(place) }, typeof value === "string" ? value : JSON.stringify(value))));
  return {
    input, kind: "choice",
    read: () => (input.value === "" ? undefined : schema.enum[Number(input.value)]),
    write(value) {
      const place = schema.enum.findIndex((one) => JSON.stringify(one) === JSON.stringify(value));
      input.value = place < 0 ? "" : String(place);
    },
  };
}

/** Left alone, an optional one is left out. */
function toggle(required) {
  const input = h("input", { type: "checkbox", role: "switch" });
  let touched = required;
  input.addEventListener("change", () => { touched = true; });
  return {
    input, kind: "switch",
    read: () => (touched ? input.checked : undefined),
    write(value) {
      input.checked = Boolean(value);
      touched = true;
    },
  };
}

function number(schema) {
  const input = h("input", { type: "text", inputMode: "decimal", autocomplete: "off", placeholder: example(schema) });
  return {
    input, kind: "number",
    read() {
      const written = input.value.trim();
      if (written === "") return undefined;
      const value = Number(written);
      if (!Number.isFinite(value)) throw new Error("This must be a number.");
      if (schema.type === "integer" && !Number.isInteger(value)) throw new Error("This must be a whole number.");
      if (value < schema.minimum) throw new Error(`This must be at least ${schema.minimum}.`);
      if (value > schema.maximum) throw new Error(`This must be at most ${schema.maximum}.`);
      return value;
    },
    write: (value) => { input.value = String(value); },
  };
}

function string(schema) {
  const type = INPUTS[schema.format];
  const input = type
    ? h("input", { type: type === "datetime-local" ? "text" : type, autocomplete: "off", placeholder: example(schema) })
    : h("textarea", { rows: 1, spellcheck: false, placeholder: example(schema) });
  return {
    input, kind: "string",
    read: () => (input.value === "" ? undefined : input.value),
    write: (value) => { input.value = String(value); },
  };
}

/** Lists, objects and whatever else: written as JSON. */
function anything(schema) {
  const shown = schema.type === "array" ? "[ ]" : schema.type === "object" ? "{ }" : "JSON";
  const input = h("textarea", { rows: 2, class: "mono", spellcheck: false, placeholder: example(schema) || shown });
  return {
    input, kind: "anything",
    read() {
      if (input.value.trim() === "") return undefined;
      try {
        return JSON.parse(input.value);
      } catch (error) {
        throw new Error(`This must be JSON: ${error.message}`);
      }
    },
    write: (value) => { input.value = JSON.stringify(value, null, 2); },
  };
}

function example({ examples }) {
  if (!Array.isArray(examples) || !examples.length) return "";
  return typeof examples[0] === "string" ? examples[0] : JSON.stringify(examples[0]);
}
