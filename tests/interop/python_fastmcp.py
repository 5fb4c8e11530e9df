"""The shared surface (peers.json) with FastMCP 4 and its tasks, which serve both eras.

Usage: python_fastmcp.py [--http PORT]     (stdio without arguments)
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta

import mcp_types
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.utilities.tasks import TaskConfig
from fastmcp.utilities.types import Image
from fastmcp_tasks import TasksExtension

from surface import DOT_PNG, LANGUAGES

server = FastMCP("python-fastmcp", version="1.0.0", instructions="A peer for interoperability tests.")
server.add_extension(TasksExtension())


@server.tool(annotations={"readOnlyHint": True}, output_schema=None)
def echo(text: str) -> str:
    """Says it back"""
    return text


@server.tool(output_schema=None)
def add(a: float, b: float) -> str:
    """Adds two numbers"""
    return f"{a + b:g}"


@server.tool(output_schema=None)
async def countdown(steps: int, ctx: Context) -> str:
    """Reports progress at every step"""
    for step in range(1, steps + 1):
        await asyncio.sleep(0.005)
        await ctx.report_progress(step, steps)
    return "liftoff"


@dataclass
class Weather:
    city: str
    celsius: float


@server.tool
def weather(city: str) -> Weather:
    """Structured weather of a city"""
    return Weather(city=city, celsius=18.5)


@server.tool(output_schema=None)
def picture() -> Image:
    """One dot"""
    return Image(data=DOT_PNG, format="png")


@server.tool(output_schema=None)
def fail(message: str) -> str:
    """Fails with this message"""
    raise ToolError(message)


@server.tool(output_schema=None)
async def log(message: str, ctx: Context) -> str:
    """Logs this message"""
    await ctx.info(message, logger_name="peer")
    return "logged"


@dataclass
class Person:
    name: str


def who():
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    params = mcp_types.ElicitRequestFormParams(message="Who is there?", requested_schema=schema)
    return mcp_types.InputRequiredResult(input_requests={"person": mcp_types.ElicitRequest(params=params)})


@server.tool(output_schema=None, task=TaskConfig(mode="required", poll_interval=timedelta(milliseconds=20)))
async def job(steps: int, ctx: Context, ask: bool = False) -> str | mcp_types.InputRequiredResult:
    """Runs as a task of the extension"""
    if ask and not ctx.input_responses:
        return who()
    for _ in range(steps):
        await asyncio.sleep(0.02)
    text = f"{steps} steps done"
    return f"{text} for {ctx.input_responses['person'].content['name']}" if ask else text


@server.tool(output_schema=None)
async def greet(ctx: Context) -> str | mcp_types.InputRequiredResult:
    """Asks for a name first"""
    if ctx.request_context.protocol_version < "2026-07-28":
        answer = await ctx.elicit("Who is there?", Person)
        return f"Hello, {answer.data.name}!" if answer.action == "accept" else f"No name: {answer.action}"
    if not ctx.input_responses:
        return who()
    answer = ctx.input_responses["person"]
    return f"Hello, {answer.content['name']}!" if answer.action == "accept" else f"No name: {answer.action}"


@server.resource("peer://motto", mime_type="text/plain")
def motto() -> str:
    return "Small is beautiful."


@server.resource("peer://items/{id}", mime_type="text/plain")
def item(id: str) -> str:
    return f"Item {id}"


@server.prompt
def review(language: str) -> str:
    """Asks for a review"""
    return f"Review this {language} code."


@server.completion
async def complete(ref, argument, context):
    if ref.type == "ref/prompt" and argument.name == "language":
        return [name for name in LANGUAGES if name.startswith(argument.value)]
    return None


if sys.argv[1:2] == ["--http"]:
    server.run(
        transport="http", host="127.0.0.1", port=int(sys.argv[2]), show_banner=False, log_level="WARNING"
    )
else:
    server.run(show_banner=False, log_level="WARNING")
