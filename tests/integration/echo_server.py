#!/usr/bin/env python3
"""Echo on a port of TCP, of both families: a thread for each connection, which ends
its side when the other one has ended. Prints "ready" when it listens."""
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
    listener = socket.create_server(("", int(sys.argv[1])), family=socket.AF_INET6,
                                    dualstack_ipv6=True)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
