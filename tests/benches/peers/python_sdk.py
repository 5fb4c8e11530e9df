"""Contender: the Python SDK's client. Usage: python_sdk.py JOB, see ../kit/src/job.rs."""

import asyncio
import json
import re
import resource
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from mcp import Client, StdioServerParameters

JOB = json.loads(sys.argv[1])


def client() -> Client:
    server = JOB["server"]
    mode = "legacy" if JOB["era"] == "legacy" else "auto"
    if "url" in server:
        return Client(server["url"], mode=mode)
    return Client(StdioServerParameters(command=server["program"], args=server["args"]), mode=mode)


async def echo(connected: Client) -> None:
    result = await connected.call_tool("echo", {"text": "hello"})
    assert result.content[0].text == "hello"


async def list_tools(connected: Client) -> None:
    result = await connected.list_tools()
    assert len(result.tools) == JOB["tools"]


async def blob(connected: Client, name: str, least: int) -> None:
    result = await connected.call_tool(name, {})
    assert len(result.content[0].text) >= least * 0.95


async def cold() -> None:
    async with client() as connected:
        await list_tools(connected)


WORK = {
    "echo": echo,
    "list": list_tools,
    "blob1m": lambda connected: blob(connected, "blob1M", 1_000_000),
    "blob10m": lambda connected: blob(connected, "blob10M", 10_000_000),
}


async def repeat(operations: int, once) -> list[int]:
    """Each call of `once`, in as many lanes as calls may be under way."""
    laps = []

    async def lane() -> None:
        for _ in range(-(-operations // JOB["in_flight"])):
            start = time.perf_counter_ns()
            await once()
            laps.append(time.perf_counter_ns() - start)

    await asyncio.gather(*(lane() for _ in range(JOB["in_flight"])))
    return laps


def status(field: str) -> int:
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


async def measured(body) -> dict:
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter_ns()
    laps = sorted(await body())
    wall = time.perf_counter_ns() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "operations": len(laps),
        "wall_ns": wall,
        "p50_ns": laps[min(len(laps) * 50 // 100, len(laps) - 1)],
        "p99_ns": laps[min(len(laps) * 99 // 100, len(laps) - 1)],
        "user_us": round((after.ru_utime - before.ru_utime) * 1e6),
        "system_us": round((after.ru_stime - before.ru_stime) * 1e6),
        "peak_rss_kib": status("VmHWM"),
    }


async def idle() -> dict:
    async with AsyncExitStack() as stack:
        await echo(await stack.enter_async_context(client()))
        before = status("VmRSS")

        async def open_all() -> list[int]:
            for _ in range(JOB["connections"]):
                await echo(await stack.enter_async_context(client()))
            return [0]

        report = await measured(open_all)
        report["connection_kib"] = max(0, status("VmRSS") - before) / JOB["connections"]
    return report


async def main() -> None:
    if JOB["work"] == "cold":
        await repeat(JOB["warm_up"], cold)
        report = await measured(lambda: repeat(JOB["operations"], cold))
    elif JOB["work"] == "idle":
        report = await idle()
    else:
        async with client() as connected:
            once = lambda: WORK[JOB["work"]](connected)
            await repeat(JOB["warm_up"], once)
            report = await measured(lambda: repeat(JOB["operations"], once))
    print(json.dumps(report))


asyncio.run(main())
