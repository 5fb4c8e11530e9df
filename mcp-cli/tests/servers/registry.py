"""A registry of MCP servers that speaks the published API: lists with cursors, search, versions.

Prints its address. Takes the entries from a JSON file: a list of {"server": …, "_meta": …}, the
oldest version of each server first.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

OFFICIAL = "io.modelcontextprotocol.registry/official"
PAGE = 2
with open(sys.argv[1], encoding="utf-8") as file:
    ENTRIES = json.load(file)
latest = {}
for number, entry in enumerate(ENTRIES):
    latest[entry["server"]["name"]] = number
for number, entry in enumerate(ENTRIES):
    official = entry.setdefault("_meta", {}).setdefault(OFFICIAL, {})
    official.setdefault("status", "active")
    official.setdefault("publishedAt", "2026-01-%02dT00:00:00Z" % (number + 1))
    official["isLatest"] = latest[entry["server"]["name"]] == number


def official(entry):
    return entry["_meta"][OFFICIAL]


def visible(entry, query):
    return official(entry)["status"] != "deleted" or query.get("include_deleted") == "true"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        words = [unquote(word) for word in url.path.split("/")[1:]]
        if words[0] not in ("v0", "v0.1"):
            return self.refuse(404, "Not Found", "there is no such endpoint")
        match words[1:]:
            case ["health"]:
                self.answer(200, {"status": "ok"})
            case ["servers"]:
                self.list(query)
            case ["servers", name, "versions"]:
                found = [one for one in self.named(name) if visible(one, query)]
                self.servers(found[::-1], None)
            case ["servers", name, "versions", version]:
                for one in self.named(name)[::-1]:
                    if version in ("latest", one["server"]["version"]) and visible(one, query):
                        return self.answer(200, one)
                self.refuse(404, "Not Found", "Server not found")
            case _:
                self.refuse(404, "Not Found", "there is no such endpoint")

    def named(self, name):
        return [entry for entry in ENTRIES if entry["server"]["name"] == name]

    def list(self, query):
        limit = int(query.get("limit", 30))
        if not 1 <= limit <= 100:
            return self.refuse(422, "Unprocessable Entity", "validation failed")
        found = [one for one in ENTRIES if visible(one, query)]
        if "search" in query:
            text = query["search"].lower()
            found = [
                one
                for one in found
                if text in one["server"]["name"].lower()
                or text in one["server"].get("description", "").lower()
            ]
        if query.get("version") == "latest":
            found = [one for one in found if official(one)["isLatest"]]
        elif "version" in query:
            found = [one for one in found if one["server"]["version"] == query["version"]]
        # Opaque to clients; here the number of the first entry of the page.
        start = int(query.get("cursor", "0"))
        end = start + min(limit, PAGE)
        self.servers(found[start:end], str(end) if end < len(found) else None)

    def servers(self, found, cursor):
        if not found and cursor is None and "/versions" in self.path:
            return self.refuse(404, "Not Found", "Server not found")
        metadata = {"count": len(found)}
        if cursor is not None:
            metadata["nextCursor"] = cursor
        self.answer(200, {"servers": found, "metadata": metadata})

    def refuse(self, status, title, detail):
        self.answer(status, {"title": title, "status": status, "detail": detail})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("http://127.0.0.1:%d" % server.server_address[1], flush=True)
server.serve_forever()
