// The service's REST interface. The token comes by the fragment of the page's address, is kept for
// this tab alone, and goes into the header of each request.

const KEPT = "mcp-token";

/** Takes the token out of the address, so that neither the history nor a bookmark has it. */
export function takeToken() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return;
  sessionStorage.setItem(KEPT, token);
  history.replaceState(null, "", location.pathname + location.search);
}

export function token() {
  return sessionStorage.getItem(KEPT);
}

export function keepToken(value) {
  sessionStorage.setItem(KEPT, value);
}

/** What the service says went wrong: a problem of RFC 9457, or an error in OpenAI's way. */
export class Problem extends Error {
  constructor(status, told) {
    super(told?.detail ?? told?.error?.message ?? `The service answered ${status}`);
    this.status = status;
    this.code = told?.code;
  }
}

/** Asks, and fails with a Problem. */
export async function ask(path, { method = "GET", body, headers = {}, signal } = {}) {
  const all = { ...headers };
  if (token()) all.Authorization = `Bearer ${token()}`;
  if (body !== undefined) all["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method, signal, headers: all, cache: "no-store", credentials: "omit",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) {
    const told = await response.json().catch(() => undefined);
    throw new Problem(response.status, told);
  }
  return response;
}

export async function json(path, options) {
  const response = await ask(path, options);
  return response.status === 204 || response.status === 202 ? undefined : response.json();
}

/** Server-sent events, over a request that has a method, a body and headers. */
export async function* events(path, options = {}) {
  const headers = { ...options.headers, Accept: "text/event-stream" };
  const response = await ask(path, { ...options, headers });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { name: "message", data: [] };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const raw of lines) {
        const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
        if (line === "") {
          if (event.data.length) yield { ...event, data: event.data.join("\n") };
          event = { name: "message", data: [], id: event.id };
          continue;
        }
        const [, field, content] = /^([^:]*):? ?(.*)$/.exec(line);
        if (field === "data") event.data.push(content);
        else if (field === "event") event.name = content;
        else if (field === "id") event.id = content;
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
