#!/usr/bin/python3
"""websocket_client.py PORT: the echo of apps/websocket, by python3-websockets."""
import asyncio
import os
import sys

import websockets


async def check(url):
    async with websockets.connect(url, max_size=None, compression=None) as ws:
        for size in 0, 1, 125, 126, 1000, 65535, 65536, 300000:
            data = os.urandom(size)
            await ws.send(data)
            assert await ws.recv() == data, f"{size} bytes"
        await ws.send("gr\u00fc\u00df dich \U0001f600")
        assert await ws.recv() == "gr\u00fc\u00df dich \U0001f600"
        await ws.send(["in ", "three ", "pieces"])
        assert await ws.recv() == "in three pieces"
        await (await ws.ping(b"hello"))
        for i in range(200):  # many at once
            await ws.send(str(i))
        for i in range(200):
            assert await ws.recv() == str(i)
    assert ws.close_code == 1000, ws.close_code
    async with websockets.connect(url, compression=None) as ws:
        await ws.send(bytes(1024 * 1024 + 1))
        try:
            await ws.recv()
            raise AssertionError("too much is taken")
        except websockets.ConnectionClosed:
            assert ws.close_code == 1009, ws.close_code
    many = [await websockets.connect(url, compression=None) for _ in range(50)]
    for i, ws in enumerate(many):
        await ws.send(f"I am {i}")
    for i, ws in enumerate(many):
        assert await ws.recv() == f"I am {i}"
        await ws.close(4000, "done")
    try:
        await websockets.connect(url.replace("/echo", "/"))
        raise AssertionError("a page is no websocket")
    except websockets.InvalidStatusCode as error:
        assert error.status_code == 200


asyncio.run(asyncio.wait_for(check(f"ws://127.0.0.1:{sys.argv[1]}/echo"), 120))
print("websocket: all checks passed")
