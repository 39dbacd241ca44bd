#!/usr/bin/env python3
"""client.py PATH PORT BYTES [COUNT]: connect COUNT times at once to an echo on PORT of the
machine behind PATH (host.py), send BYTES each way, end our side, and compare."""
import random
import socket
import sys
import threading


def connect(path, port):
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(200)
    stream.connect(path)
    stream.sendall(b"CONNECT %d\n" % port)
    line = b""
    while not line.endswith(b"\n"):
        byte = stream.recv(1)
        if not byte:
            sys.exit(f"client.py: not connected: {line!r}")
        line += byte
    assert line.startswith(b"OK "), line
    return stream


def send(stream, data):
    stream.sendall(data)
    stream.shutdown(socket.SHUT_WR)


def exchange(path, port, size, results, index):
    data = random.Random(index).randbytes(size)
    stream = connect(path, port)
    sender = threading.Thread(target=send, args=(stream, data))
    sender.start()
    got = bytearray()
    while True:
        more = stream.recv(65536)
        if not more:
            break
        got += more
    sender.join()
    results[index] = got == data
    if not results[index]:
        print(f"client.py: {len(got)} bytes of {size}, or others")


def main():
    path, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    results = [False] * (int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    threads = [threading.Thread(target=exchange, args=(path, port, size, results, i))
               for i in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not all(results):
        sys.exit(1)
    print(f"{size} bytes both ways, {len(results)} times")


main()
