"""A scripted MCP server (revision 2025-11-25, stdio) that asks the person a form during a call.

Clients that declare no forms get no tool.
"""

import json
import sys

FORM = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "title": "Your name"}}}
declared = {}


def send(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def ask():
    """The person's answer. What comes before it is left alone."""
    send({"id": "q", "method": "elicitation/create",
          "params": {"message": "Who are \x1b[2Jyou?", "requestedSchema": FORM}})
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("id") == "q":
            return message["result"]


for line in sys.stdin:
    request = json.loads(line)
    if request["method"] == "initialize":
        declared = request["params"]["capabilities"]
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                  "serverInfo": {"name": "asks", "version": "1"}}
    elif request["method"] == "tools/list":
        tool = {"name": "greet", "description": "Greets the person.", "inputSchema": {"type": "object"}}
        result = {"tools": [tool] if "elicitation" in declared else []}
    elif request["method"] == "tools/call":
        result = {"content": [{"type": "text", "text": json.dumps(ask(), sort_keys=True)}]}
    elif "id" in request:
        send({"id": request["id"], "error": {"code": -32601, "message": "no such method"}})
        continue
    else:
        continue
    send({"id": request["id"], "result": result})
