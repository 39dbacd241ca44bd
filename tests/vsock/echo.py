#!/usr/bin/env python3
"""echo.py PATH: echo on a Unix socket, a thread for each connection, which ends its side when
the other one has ended. Prints "ready" when it listens."""
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
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(16)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
