"""A server for standard streams behind a socket: a new process for every connection.

Usage: bridge.py (--websocket | --tcp) PORT COMMAND...

The WebSocket side is the library `websockets`, which shares nothing with our client.
"""

import asyncio
import sys

import websockets

MESSAGE_LIMIT = 16 << 20


async def start():
    return await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=MESSAGE_LIMIT
    )


async def until_first_ends(*sides):
    _, others = await asyncio.wait(map(asyncio.ensure_future, sides), return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()


async def over_websocket(socket):
    server = await start()

    async def inward():
        async for message in socket:
            server.stdin.write(message.encode() + b"\n")
            await server.stdin.drain()

    async def outward():
        async for line in server.stdout:
            await socket.send(line.decode().rstrip("\n"))

    await until_first_ends(inward(), outward())
    server.kill()
    await server.wait()


async def over_tcp(reader, writer):
    server = await start()

    async def pour(source, target):
        while chunk := await source.read(65536):
            target.write(chunk)
            await target.drain()

    await until_first_ends(pour(reader, server.stdin), pour(server.stdout, writer))
    server.kill()
    await server.wait()
    writer.close()


async def main(kind, port):
    if kind == "--websocket":
        listening = websockets.serve(
            over_websocket, "127.0.0.1", port, subprotocols=["mcp"], max_size=MESSAGE_LIMIT
        )
        async with listening:
            await asyncio.Future()
    else:
        async with await asyncio.start_server(over_tcp, "127.0.0.1", port) as listening:
            await listening.serve_forever()


kind, port, *command = sys.argv[1:]
asyncio.run(main(kind, int(port)))
