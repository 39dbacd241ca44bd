#!/usr/bin/env python3
"""echo_server.py PORT|PATH: echo on a port of TCP, of both families, or on a Unix socket: a
thread for each connection, which ends its side when the other one has ended. Prints "ready"
when it listens."""
import socket
import sys
import threading


def serve(connection):
    with connection:
        while True:
            data = connection.recv(65536)
            if not data:
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)
                return
            connection.sendall(data)


def main():
    where = sys.argv[1]
    if where.isdigit():
        listener = socket.create_server(("", int(where)), family=socket.AF_INET6,
                                        dualstack_ipv6=True)
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(where)
        listener.listen(16)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
