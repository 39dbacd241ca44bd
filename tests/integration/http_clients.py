#!/usr/bin/env python3
"""What Python's HTTP clients and plain sockets see of the web server.

    http_clients.py PORT

Ends with status 0 when all is right; else it says what is not.
"""
import http.client
import socket
import sys
import time
import urllib.error
import urllib.request

PORT = int(sys.argv[1])
UPLOAD = b"x" * 3_000_000


def check(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")


def upload_is_answered():
    """The whole upload is sent before the answer is read: RFC 9112, 9.6."""
    for method in "POST", "PUT":
        client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
        client.request(method, "/", body=UPLOAD)
        answer = client.getresponse()
        check(answer.status == 405, f"{method} of 3 MB: {answer.status}")
        check("GET" in answer.getheader("Allow"), "Allow")
        check(answer.getheader("Connection") == "close", "it should close")
        check(b"405" in answer.read(), "the page")
        client.close()
    client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    client.request("GET", "/", body=UPLOAD)
    check(client.getresponse().status == 413, "GET with 3 MB")
    client.close()
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", data=UPLOAD)
        check(False, "urllib's upload is taken")
    except urllib.error.HTTPError as error:
        check(error.code == 405, f"urllib's upload: {error.code}")


def connection_goes_on():
    """Answers without a body are followed by others on the same connection."""
    client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    client.connect()
    first = client.sock
    for method, path, fields, want in (
        ("HEAD", "/nope", {}, 404),
        ("GET", "/size-1025.bin", {}, 200),
        ("HEAD", "/size-1025.bin", {"Range": "bytes=0-0"}, 200),
        ("GET", "/size-1025.bin", {"Range": "bytes=0-0"}, 206),
        ("GET", "/size-1025.bin", {"Range": "bytes=1025-"}, 416),
        ("GET", "/size-1025.bin", {"If-None-Match": "*"}, 304),
        ("GET", "/size-1025.bin", {"If-Match": '"x"'}, 412),
        ("DELETE", "/", {}, 405),
        ("OPTIONS", "*", {}, 204),
        ("BREW", "/", {}, 501),
        ("GET", "/sub?x=1", {}, 301),
        ("HEAD", "/sub", {}, 301),
        ("GET", "/size-1.bin", {}, 200),
    ):
        client.request(method, path, headers=fields)
        answer = client.getresponse()
        answer.read()
        check(answer.status == want, f"{method} {path} {fields}: {answer.status}")
        check(client.sock is first, f"{method} {path} ended the connection")
        if want == 301:
            check(answer.getheader("Location") in ("/sub/?x=1", "/sub/"),
                  answer.getheader("Location"))
    client.close()


def exchange(text, expect_close=True):
    """Send bytes; what comes until the server closes, and how soon."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=120) as client:
        began = time.monotonic()
        client.sendall(text)
        got = b""
        while piece := client.recv(65536):
            got += piece
            if not expect_close and b"\r\n\r\n" in got:
                break
        return got, time.monotonic() - began


def what_is_no_http_is_answered_at_once():
    for text in (b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\r\nHost: x\n", b"\n",
                 b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n", b"nonsense\r\n",
                 b"GET / HTTP/1.1\r\nHost: a b\r\n",
                 b"GET /\rx"):
        got, took = exchange(text)
        check(got.startswith(b"HTTP/1.1 400 "), f"{text}: {got[:40]}")
        check(took < 5, f"{text}: after {took:.1f} s")
    for text, want in ((b"GET /?" + b"a" * 9000, b"414"),
                       (b"GET / HTTP/1.1\r\nx: " + b"a" * 17000, b"431"),
                       (b"A" * 9000, b"501"),
                       (b"GET https://x/ HTTP/1.1\r\n", b"421"),
                       (b"PRI * HTTP/2.0\r\n", b"505")):
        got, _ = exchange(text)
        check(got.startswith(b"HTTP/1.1 " + want), f"{want}: {got[:40]}")


def http_1_0_is_kept_alive():
    text = b"GET /size-1.bin HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    got, _ = exchange(text, expect_close=False)
    check(b"\r\nConnection: keep-alive\r\n" in got, "keep-alive is not said")
    got, _ = exchange(text + b"GET /size-1.bin HTTP/1.0\r\n\r\n")
    check(got.count(b"HTTP/1.1 200 OK") == 2, "the second request")
    check(b"\r\nConnection: close\r\n" in got, "close is not said")


upload_is_answered()
connection_goes_on()
what_is_no_http_is_answered_at_once()
http_1_0_is_kept_alive()
print("python: all right")
