// What the page knows of the service, and how it keeps up to date.

import { Problem, events, json } from "./api.js";

const KEPT_EVENTS = 1000;

/** `changed` is called with a word for what is another now: servers, tools, events, link. */
export class Live {
  servers = [];
  tools = [];
  toolProblems = [];
  /** Newest last. A call has one entry, which changes when it ends. */
  entries = [];
  /** `on`, `off` or `refused`. */
  link = "off";
  /** The model of the chat, if there is one. */
  model = undefined;
  #listeners = new Set();
  #lastId = undefined;
  #calls = new Map();
  #timers = new Map();

  onChange(listener) {
    this.#listeners.add(listener);
  }

  #tell(what) {
    for (const listener of this.#listeners) listener(what);
  }

  /** Runs for as long as the page is open. */
  async start() {
    await this.#load();
    setInterval(() => document.hidden || this.#soon("servers", 0), 10_000);
    for (let wait = 500; ; wait = Math.min(wait * 2, 10_000)) {
      try {
        const headers = this.#lastId ? { "Last-Event-ID": this.#lastId } : {};
        for await (const event of events("/mcp/events", { headers })) {
          wait = 500;
          this.#setLink("on");
          this.#take(event);
        }
      } catch (error) {
        if (error instanceof Problem && error.status === 401) return this.#setLink("refused");
      }
      this.#setLink("off");
      await new Promise((resolve) => setTimeout(resolve, wait));
      this.#soon("servers", 0);
    }
  }

  async #load() {
    await Promise.all([this.#refreshServers(), this.#refreshTools(), this.#findModel()]);
  }

  async #findModel() {
    try {
      const { data } = await json("/v1/models");
      this.model = data[0]?.id;
    } catch {
      this.model = undefined;
    }
    this.#tell("model");
  }

  async #refreshServers() {
    ({ servers: this.servers } = await json("/mcp/servers"));
    this.#tell("servers");
  }

  async #refreshTools() {
    ({ tools: this.tools, problems: this.toolProblems } = await json("/mcp/tools"));
    this.#tell("tools");
  }

  /** Asks again a little later; many reasons within that time are one. */
  #soon(what, wait = 300) {
    if (this.#timers.has(what)) return;
    const refresh = what === "tools" ? () => this.#refreshTools() : () => this.#refreshServers();
    this.#timers.set(what, setTimeout(() => {
      this.#timers.delete(what);
      // The link's own state tells that the service is away.
      refresh().catch(() => undefined);
    }, wait));
  }

  refresh() {
    this.#soon("servers", 0);
  }

  #setLink(link) {
    if (this.link === link) return;
    this.link = link;
    this.#tell("link");
  }

  #take({ name, data, id }) {
    this.#lastId = id ?? this.#lastId;
    const told = JSON.parse(data);
    if (name === "call") this.#takeCall(told);
    else {
      this.#keep({ kind: name, ...told });
      this.#soon("servers", 50);
      if (name === "catalog" || (name === "server" && told.state !== "starting")) this.#soon("tools");
    }
    this.#tell("events");
  }

  #takeCall(told) {
    const known = this.#calls.get(told.call);
    if (told.phase === "started" || !known) {
      const entry = { kind: "call", ...told };
      this.#keep(entry);
      if (told.phase === "started") this.#calls.set(told.call, entry);
      return;
    }
    // When it was noted stays the time at which it began.
    Object.assign(known, told, { at: known.at, version: 1 });
    this.#calls.delete(told.call);
    this.#soon("servers", 500);
  }

  #keep(entry) {
    entry.number = (this.entries.at(-1)?.number ?? 0) + 1;
    this.entries.push(entry);
    if (this.entries.length > KEPT_EVENTS) {
      const [oldest] = this.entries.splice(0, 1);
      this.#calls.delete(oldest.call);
    }
  }

  /** How long the last calls of a server took, oldest first. */
  latencies(server) {
    const ended = this.entries.filter((entry) =>
      entry.kind === "call" && entry.server === server && entry.phase === "finished");
    return ended.slice(-40).map((entry) => entry.ms);
  }

  server(name) {
    return this.servers.find((server) => server.name === name);
  }

  /** What was counted of a tool. */
  usage(tool) {
    return this.server(tool.server_name)?.tools?.[tool.name];
  }
}

/** About how much of a model's context a definition takes. */
export function tokens(tool) {
  const { name, description, inputSchema } = tool;
  return Math.ceil(JSON.stringify({ name, description, inputSchema }).length / 4);
}
