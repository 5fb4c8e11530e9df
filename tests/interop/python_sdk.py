"""The shared surface (peers.json) with the Python SDK, version 2, which serves both eras.

Usage: python_sdk.py [--http PORT | --sse PORT]     (stdio without arguments)
"""

import sys
from typing import Annotated

import anyio
from mcp.server import MCPServer
from mcp.server.caching import CacheHint
from mcp.server.mcpserver import (
    AcceptedElicitation,
    Context,
    Elicit,
    ElicitationResult,
    Image,
    Resolve,
)
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import Completion, PromptReference, ToolAnnotations
from pydantic import BaseModel

from surface import DOT_PNG, LANGUAGES

server = MCPServer(
    "python-sdk",
    instructions="A peer for interoperability tests.",
    log_level="WARNING",
    cache_hints={"tools/list": CacheHint(ttl_ms=60_000, scope="public")},
)


@server.tool(annotations=ToolAnnotations(read_only_hint=True), structured_output=False)
def echo(text: str) -> str:
    """Says it back"""
    return text


@server.tool(structured_output=False)
def add(a: float, b: float) -> str:
    """Adds two numbers"""
    return f"{a + b:g}"


@server.tool(structured_output=False)
async def countdown(steps: int, ctx: Context) -> str:
    """Reports progress at every step"""
    for step in range(1, steps + 1):
        await anyio.sleep(0.005)
        await ctx.report_progress(step, steps)
    return "liftoff"


class Weather(BaseModel):
    city: str
    celsius: float


@server.tool()
def weather(city: str) -> Weather:
    """Structured weather of a city"""
    return Weather(city=city, celsius=18.5)


@server.tool(structured_output=False)
def picture() -> Image:
    """One dot"""
    return Image(data=DOT_PNG, format="png")


@server.tool(structured_output=False)
def fail(message: str) -> str:
    """Fails with this message"""
    raise ToolError(message)


@server.tool(structured_output=False)
async def log(message: str, ctx: Context) -> str:
    """Logs this message"""
    await ctx.log("info", message, logger_name="peer")
    return "logged"


@server.tool(structured_output=False)
async def touch(ctx: Context) -> str:
    """Changes the motto and the tools"""
    await ctx.notify_tools_changed()
    await ctx.notify_resource_updated("peer://motto")
    return "touched"


class Person(BaseModel):
    name: str


def ask() -> Elicit[Person]:
    return Elicit("Who is there?", Person)


@server.tool(structured_output=False)
def greet(answer: Annotated[ElicitationResult[Person], Resolve(ask)]) -> str:
    """Asks for a name first"""
    if isinstance(answer, AcceptedElicitation):
        return f"Hello, {answer.data.name}!"
    return f"No name: {answer.action}"


@server.resource("peer://motto", mime_type="text/plain")
def motto() -> str:
    return "Small is beautiful."


@server.resource("peer://items/{id}", mime_type="text/plain")
def item(id: str) -> str:
    return f"Item {id}"


@server.prompt()
def review(language: str) -> str:
    """Asks for a review"""
    return f"Review this {language} code."


@server.completion()
async def complete(ref, argument, context):
    if isinstance(ref, PromptReference) and argument.name == "language":
        return Completion(values=[name for name in LANGUAGES if name.startswith(argument.value)])
    return None


if sys.argv[1:2] == ["--http"]:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
elif sys.argv[1:2] == ["--sse"]:
    server.run("sse", host="127.0.0.1", port=int(sys.argv[2]))
else:
    server.run()
