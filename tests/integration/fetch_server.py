#!/usr/bin/python3
"""fetch_server.py QEMU|HOST COMMAND...: run fetch, and be the server it asks.

The last word of COMMAND gets the URLs appended, blanks between them, for an
image; for a process they are words of their own. What fetch says of each must
be right, and it must use as few connections as it can.
"""
import http.server
import os
import subprocess
import sys
import threading

CONTENT = {f"/{kind}/{size}": os.urandom(size)
           for kind in ("sized", "chunked", "end")
           for size in (0, 1, 1000, 100000, 2000000)}
connections = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        connections.append(self.client_address)

    def do_GET(self):
        body = CONTENT.get(self.path)
        if body is None:
            self.send_error(404)
            return
        if self.headers["Host"] != f"10.0.2.2:{port}":
            self.send_error(400)
            return
        self.send_response(200)
        if self.path.startswith("/sized"):
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        elif self.path.startswith("/chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(body), 70001):
                piece = body[at:at + 70001]
                self.wfile.write(b"%X;a=b\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\nTrailer: x\r\n\r\n")
        else:
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

    def log_message(self, *_):
        pass


def fnv(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 & (1 << 64) - 1
    return f"{value:016x}"


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
port = server.server_address[1]
threading.Thread(target=server.serve_forever, daemon=True).start()
urls = [f"http://10.0.2.2:{port}{path}" for path in CONTENT]
command = sys.argv[2:]
if sys.argv[1] == "QEMU":
    command[-1] += " " + " ".join(urls)
else:
    command += urls
run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                     stdin=subprocess.DEVNULL, timeout=300)
said = run.stdout.decode(errors="replace").replace("\r", "")
print(said)
assert run.returncode == 0, f"status {run.returncode}"
for (path, data), url in zip(CONTENT.items(), urls):
    line = f"{url} 200 {len(data)} {fnv(data)}"
    assert line in said.split("\n"), f"not said: {line}"
# Each of the five that end with the connection costs one more.
assert len(connections) <= 6, f"{len(connections)} connections"
print("fetch: all checks passed")
