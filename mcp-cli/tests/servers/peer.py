"""A small scripted MCP server (revision 2025-11-25, stdio) whose tools behave and misbehave on demand.

How it starts is chosen by its argument: nothing, `die`, `mute`, `garbage`, `many`.
"""

import json
import sys
import time

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def schema(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


TEXT, NUMBER = {"type": "string"}, {"type": "number"}
TOOLS = {
    "get-sum": ("Adds two numbers. Quickly.", schema(["a", "b"], a=NUMBER, b=NUMBER)),
    "echo": ("Gives back what it got.", schema(["text"], text=TEXT, tags={"type": "array", "items": TEXT})),
    "long": ("Takes its time.", schema([], steps={"type": "integer", "default": 3}, pause=NUMBER)),
    "fail": ("Always fails.", schema()),
    "die": ("Ends the server.", schema()),
    "hang": ("Never answers.", schema()),
    "image": ("Gives a picture.", schema()),
    "data": ("Gives structured data.", schema()),
    "log": ("Logs something.", schema()),
    "paint": ("Tries to take over the terminal.", schema()),
    "refuse": ("Answers with a JSON-RPC error.", schema()),
    "color": ("Takes one of three.", schema(["name"], name={"enum": ["red", "green", "blue"]})),
    "nest": ("Takes an object.", schema([], opts={"type": "object", "properties": {"depth": {"type": "integer"}}})),
    "delete_all": ("Deletes everything.", schema()),
}
HINTS = {"get-sum": {"readOnlyHint": True}, "echo": {"readOnlyHint": True}, "delete_all": {"destructiveHint": True}}


def send(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def notify(method, params):
    send({"method": method, "params": params})


def text(value):
    return {"content": [{"type": "text", "text": value}]}


def call(name, arguments, token):
    if name == "get-sum":
        total = arguments["a"] + arguments["b"]
        return text(str(total))
    if name in ("echo", "color", "nest", "delete_all"):
        return text(json.dumps(arguments, sort_keys=True))
    if name == "long":
        steps = arguments.get("steps", 3)
        for step in range(1, steps + 1):
            time.sleep(arguments.get("pause", 0.3))
            notify("notifications/progress", {"progressToken": token, "progress": step, "total": steps,
                                              "message": f"step {step} of {steps}"})
        return text(f"done after {steps} steps")
    if name == "fail":
        return {**text("the disk is full\ntry later"), "isError": True}
    if name == "die":
        print("fatal: something broke", file=sys.stderr, flush=True)
        sys.exit(3)
    if name == "image":
        return {"content": [{"type": "image", "data": PNG, "mimeType": "image/png"}]}
    if name == "data":
        value = {"temperature": 33, "sky": "clear"}
        return {**text(json.dumps(value)), "structuredContent": value}
    if name == "log":
        notify("notifications/message", {"level": "debug", "data": "a detail"})
        notify("notifications/message", {"level": "warning", "data": "something is odd"})
        return text("logged")
    if name == "paint":
        return text("\x1b[31mred\x1b[0m \u202eevil\u202c")
    raise KeyError(name)


def answer(method, params):
    if method == "initialize":
        return {"protocolVersion": "2025-11-25", "serverInfo": {"name": "peer", "version": "1.0"},
                "capabilities": {"tools": {}, "resources": {}, "prompts": {}, "logging": {}}}
    if method in ("ping", "logging/setLevel"):
        return {}
    if method == "tools/list":
        listed = [{"name": name, "description": about, "inputSchema": takes, "annotations": HINTS.get(name, {})}
                  for name, (about, takes) in TOOLS.items()]
        return {"tools": listed + [{"name": "broken", "inputSchema": "no object"}]}
    if method == "tools/call":
        return call(params["name"], params.get("arguments") or {}, params.get("_meta", {}).get("progressToken"))
    if method == "resources/list":
        return {"resources": [{"uri": "mem://notes", "name": "notes", "mimeType": "text/plain", "size": 5},
                              {"uri": "mem://dot", "name": "dot", "mimeType": "image/png"}]}
    if method == "resources/templates/list":
        return {"resourceTemplates": [{"uriTemplate": "mem://{name}", "name": "anything"}]}
    if method == "resources/read":
        uri = params["uri"]
        if uri == "mem://notes":
            return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": "hello"}]}
        if uri == "mem://dot":
            return {"contents": [{"uri": uri, "mimeType": "image/png", "blob": PNG}]}
        raise LookupError(uri)
    if method == "prompts/list":
        arguments = [{"name": "topic", "description": "What about", "required": True}, {"name": "style"}]
        return {"prompts": [{"name": "write", "description": "Writes about something", "arguments": arguments}]}
    if method == "prompts/get":
        topic = params["arguments"]["topic"]
        return {"messages": [{"role": "user", "content": {"type": "text", "text": f"Write about {topic}."}}]}
    raise KeyError(method)


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    if mode == "die":
        print('connection to "db" failed: password authentication failed', file=sys.stderr)
        sys.exit(1)
    if mode == "garbage":
        print("Starting server on port 8080 …", flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            if message["method"] == "notifications/cancelled":
                print("cancelled", file=sys.stderr, flush=True)
                with open("cancelled", "w", encoding="utf-8") as seen:
                    seen.write(json.dumps(message["params"]))
            continue
        params = message.get("params") or {}
        if mode == "mute" or params.get("name") == "hang":
            continue
        try:
            if params.get("name") == "refuse":
                send({"id": message["id"], "error": {"code": -32000, "message": "not today"}})
                continue
            send({"id": message["id"], "result": answer(message["method"], params)})
        except LookupError as error:
            code = -32601 if isinstance(error, KeyError) else -32002
            send({"id": message["id"], "error": {"code": code, "message": f"unknown: {error}"}})


main()
