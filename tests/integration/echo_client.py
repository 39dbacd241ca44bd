#!/usr/bin/python3
"""echo_client.py TCP-PORT UDP-PORT: what comes back is what was sent."""
import os
import socket
import sys
import threading

TCP, UDP = int(sys.argv[1]), int(sys.argv[2])
HOST = "127.0.0.1"


def echo(data):
    """Over one connection; its end comes back, too."""
    with socket.create_connection((HOST, TCP), 60) as s:
        sender = threading.Thread(
            target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        got = b""
        while piece := s.recv(65536):
            got += piece
        sender.join()
        assert got == data, f"{len(data)} bytes: {len(got)} came back"


def echo_datagram(s, data):
    for _ in range(10):  # one may be lost
        s.sendto(data, (HOST, UDP))
        try:
            while s.recv(65536) != data:  # an answer that was late
                pass
            return
        except socket.timeout:
            pass
    raise AssertionError(f"no datagram of {len(data)} bytes comes back")


for size in 0, 1, 1459, 1460, 1461, 8192, 100000, 3000000:
    echo(os.urandom(size))
many = []
for i in range(40):  # one after the other: QEMU's listener has room for one
    many.append(socket.create_connection((HOST, TCP), 60))
    many[i].sendall(b"I am %d" % i)
    assert many[i].recv(100) == b"I am %d" % i
for s in many:
    s.close()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(5)
    for size in 1, 100, 1000, 1400:
        echo_datagram(s, os.urandom(size))
print("echo: all checks passed")
