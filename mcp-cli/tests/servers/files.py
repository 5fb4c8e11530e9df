"""A small MCP server (revision 2025-11-25, stdio): files of the current folder as resources that change.

Its arguments are the names of the files. The tool `write` changes one: it tells of the change, waits until the file
was read again, and only then returns, so that a test knows what comes first. `flaky` fails while there is a file
`broken`; every call of a tool is a line in the file `calls`. A file that somebody else changed is told of when its
name stands in the file `touched`.
"""

import json
import os
import sys
import threading
import time

FILES = sys.argv[1:]
TEXT = {"type": "string"}
WRITE = {"type": "object", "properties": {"name": TEXT, "text": TEXT}, "required": ["name", "text"]}
TOOLS = [
    {"name": "write", "description": "Writes a file.", "inputSchema": WRITE},
    {"name": "flaky", "description": "Works, or does not.", "inputSchema": {"type": "object"}},
]
watched = set()
# The ids of calls of `write` that wait for a file to be read, by its URI.
waiting = {}


def uri(name):
    return f"notes:///{name}"


def send(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def result(request, value):
    send({"id": request, "result": value})


def text(value, failed=False):
    return {"content": [{"type": "text", "text": value}], "isError": failed}


def call(request, name, arguments):
    with open("calls", "a", encoding="utf-8") as calls:
        calls.write(f"{name}\n")
    if name == "flaky":
        return result(request, text("the disk is full", True) if os.path.exists("broken") else text("worked"))
    with open(arguments["name"], "w", encoding="utf-8") as file:
        file.write(arguments["text"])
    place = uri(arguments["name"])
    if place not in watched:
        return result(request, text("written"))
    waiting[place] = request
    return send({"method": "notifications/resources/updated", "params": {"uri": place}})


def answer(request, method, params):
    if method == "initialize":
        return result(request, {"protocolVersion": "2025-11-25", "serverInfo": {"name": "files", "version": "1"},
                                "capabilities": {"tools": {"listChanged": True}, "prompts": {},
                                                 "resources": {"subscribe": True, "listChanged": True}}})
    if method == "ping":
        return result(request, {})
    if method == "tools/list":
        return result(request, {"tools": TOOLS})
    if method == "tools/call":
        return call(request, params["name"], params.get("arguments") or {})
    if method == "prompts/list":
        return result(request, {"prompts": [{"name": "plan", "description": "Plans a day."}]})
    if method == "prompts/get":
        content = {"type": "text", "text": "Plan my day."}
        return result(request, {"messages": [{"role": "user", "content": content}]})
    if method == "resources/list":
        return result(request, {"resources": [{"uri": uri(name), "name": name} for name in FILES]})
    if method == "resources/subscribe":
        watched.add(params["uri"])
        result(request, {})
        if os.path.exists("restless"):
            send({"method": "notifications/tools/list_changed"})
            send({"method": "notifications/resources/updated", "params": {"uri": params["uri"]}})
        return None
    if method == "resources/read":
        name = params["uri"].removeprefix("notes:///")
        with open(name, encoding="utf-8") as file:
            result(request, {"contents": [{"uri": params["uri"], "mimeType": "text/plain", "text": file.read()}]})
        if params["uri"] in waiting:
            result(waiting.pop(params["uri"]), text("written"))
        return None
    return send({"id": request, "error": {"code": -32601, "message": f"unknown: {method}"}})


def tell_of_touched():
    while True:
        time.sleep(0.05)
        if os.path.exists("touched"):
            with open("touched", encoding="utf-8") as file:
                name = file.read()
            os.remove("touched")
            send({"method": "notifications/resources/updated", "params": {"uri": uri(name)}})


threading.Thread(target=tell_of_touched, daemon=True).start()
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        answer(message["id"], message["method"], message.get("params") or {})
