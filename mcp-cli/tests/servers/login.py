"""An MCP server over HTTP that wants a login, and its authorization server, on the same port.

Usage: login.py [takes-back | refuses-to]
Prints the URL of the MCP server; GET /heard gives the forms that the authorization server got.
`takes-back` revokes tokens at logout, `refuses-to` offers that and fails.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

HEARD = []
MODE = sys.argv[1] if len(sys.argv) > 1 else ""


def flat(text):
    return {name: values[0] for name, values in parse_qs(text).items()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=None, **headers):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.send_header("content-type", "application/json")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/metadata":
            self.answer(200, {"resource": f"{ORIGIN}/mcp", "authorization_servers": [ORIGIN]})
        elif url.path == "/.well-known/oauth-authorization-server":
            known = {
                "issuer": ORIGIN,
                "authorization_endpoint": f"{ORIGIN}/authorize",
                "token_endpoint": f"{ORIGIN}/token",
                "registration_endpoint": f"{ORIGIN}/register",
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
            }
            if MODE:
                known["revocation_endpoint"] = f"{ORIGIN}/revoke"
            self.answer(200, known)
        elif url.path == "/authorize":
            query = flat(url.query)
            HEARD.append({"to": "authorize", **query})
            back = urlencode({"code": "c", "state": query["state"]})
            self.answer(302, location=f"{query['redirect_uri']}?{back}")
        elif url.path == "/heard":
            self.answer(200, HEARD)
        else:
            self.answer(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/register":
            HEARD.append({"to": "register"})
            self.answer(201, {**json.loads(body), "client_id": "registered"})
        elif self.path == "/token":
            HEARD.append({"to": "token", **flat(body.decode())})
            self.answer(200, {"access_token": "s3cret-access", "refresh_token": "s3cret-refresh",
                              "token_type": "Bearer", "expires_in": 3600})
        elif self.path == "/revoke":
            HEARD.append({"to": "revoke", **flat(body.decode())})
            self.answer(503 if MODE == "refuses-to" else 200)
        elif self.headers.get("authorization") != "Bearer s3cret-access":
            challenge = f'Bearer resource_metadata="{ORIGIN}/metadata", scope="tools"'
            self.answer(401, www_authenticate=challenge)
        else:
            self.mcp(json.loads(body))

    def mcp(self, message):
        if "id" not in message:
            return self.answer(202)
        results = {
            "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                           "serverInfo": {"name": "mail", "version": "1"}},
            "tools/list": {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]},
        }
        result = results.get(message["method"])
        outcome = {"result": result} if result else {"error": {"code": -32601, "message": "unknown"}}
        self.answer(200, {"jsonrpc": "2.0", "id": message["id"], **outcome})


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
ORIGIN = f"http://127.0.0.1:{server.server_port}"
print(f"{ORIGIN}/mcp", flush=True)
server.serve_forever()
