#!/usr/bin/python3
"""slow_heads.py PORT: heads that never end, and honest clients beside them.

More than twice as many connections as the server has places send a byte now and
then. Each of 200 honest requests must be answered.
"""
import socket
import sys
import threading

PORT = int(sys.argv[1])
ATTACKERS = 600
stop = threading.Event()
slow = []
enough = threading.Event()


def attack():
    while not stop.is_set():
        try:
            s = socket.create_connection(("127.0.0.1", PORT), 60)
            s.sendall(b"GET / HTTP/1.1\r\nA: ")
            slow.append(s)
        except OSError:
            pass
        if len(slow) >= ATTACKERS:
            enough.set()
            slow.pop(0).close()
        stop.wait(0.003)


def drip():
    while not stop.wait(0.3):
        for s in list(slow):
            try:
                s.send(b"a")
            except OSError:
                pass


threads = [threading.Thread(target=attack), threading.Thread(target=drip)]
for t in threads:
    t.start()
bad = 0
try:
    enough.wait(120)
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", PORT), 60) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            got = b""
            try:
                while piece := s.recv(1000):
                    got += piece
            except OSError:
                pass
            bad += b"Hello" not in got
finally:
    stop.set()
    for t in threads:
        t.join()
assert enough.is_set(), "too few attackers"
assert bad == 0, f"{bad} of 200 were not served"
print("slow heads: every honest request was served")
