"""FastMCP as a gateway: fastmcp_proxy.py URL PORT. One session behind it serves all clients."""

import asyncio
import sys

from fastmcp import Client
from fastmcp.server import create_proxy


async def main(url: str, port: str) -> None:
    async with Client(url) as client:
        proxy = create_proxy(client, name="bench")
        await proxy.run_http_async(host="127.0.0.1", port=int(port), show_banner=False, log_level="error")


asyncio.run(main(*sys.argv[1:]))
