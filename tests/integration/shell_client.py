#!/usr/bin/env python3
"""Types at a shell, with editing, and checks what it shows.

shell_client.py pty COMMAND...   a hosted shell on a pseudo-terminal
shell_client.py tcp PORT COMMAND...   a shell that listens there
shell_client.py virtio COMMAND...   the same on its virtio console
shell_client.py fifo COMMAND...  a shell in QEMU; COMMAND gets --typed FIFO

Ends with 0 when all was shown, the machine has ended with status 0, and the
pseudo-terminal is as it was before.
"""
import codecs
import os
import pty
import re
import select
import socket
import subprocess
import sys
import tempfile
import termios
import time

PATIENCE_S = int(os.environ.get("PATIENCE_S", "120"))

PASTE = "".join("echo line %d of a paste that is long\r" % i for i in range(60))

# What is typed, and what must be shown then, before the next prompt.
STEPS = [
    ("mkdir dri\x7f\x7fir\r", None),
    ("cd d\t\r", "/dir> "),
    ("echo hello\x1b[D\x1b[D\x1b[DXX\x05!\r", "\nheXXllo!\n"),
    ("\x1b[A\r", "\nheXXllo!\n"),
    ("echo gr\u00fcn\u00fc\x7f\x02\x7f\u00dc\r", "\ngr\u00dcn\n"),
    ("dropped\x03", "^C\n"),
    ("echo one > f; echo two >> f; cat f\r", "\none\ntwo\n"),
    ("hexdump f\r", "6f 6e 65 0a 74 77 6f 0a"),
    ("nosuch\r", "nosuch: no such command"),
    ("cat nosuch\r", "nosuch: no such file"),
    ("echo 'echo from a file' > s; run s\r", "\nfrom a file\n"),
    ("ping 10.0.2.2 1\r", "1 sent, 1 received"),
    ("ps\r", " running "),
    ("df\r", "memfs "),
    ("date\r", "; up "),
    (PASTE, "\nline 59 of a paste that is long\n"),
    ("top\x03", "^C\n"),
    ("top\r\x03", None),
    ("cd; rm dir/f dir/s; rmdir dir; ls\r", "/> "),
]


def fail(text, shown):
    print(shown)
    sys.exit("FAILED: " + text)


class Machine:
    def __init__(self):
        self.process = None
        self.directory = tempfile.TemporaryDirectory()
        self.shown = ""
        self.text = codecs.getincrementaldecoder("utf-8")("replace")
        self.since = 0
        self.slave = None

    def start(self, how, command):
        if how == "tcp":
            self.port = int(command[0])
            self.process = subprocess.Popen(command[1:], stdin=subprocess.DEVNULL)
            self.socket = self.connect()
            self.out = self.typed = self.socket.fileno()
        elif how == "virtio":
            path = os.path.join(self.directory.name, "console")
            self.process = subprocess.Popen(command + [
                "--", "-device", "virtio-serial-device,max_ports=1", "-chardev",
                "socket,id=con,path=%s,server=on,wait=on" % path,
                "-device", "virtconsole,chardev=con"], stdout=subprocess.DEVNULL)
            self.socket = socket.socket(socket.AF_UNIX)
            end = time.time() + PATIENCE_S
            while self.socket.connect_ex(path) != 0:
                if time.time() > end or self.process.poll() is not None:
                    fail("QEMU does not listen", "")
                time.sleep(0.1)
            self.out = self.typed = self.socket.fileno()
        elif how == "pty":
            self.out, self.slave = pty.openpty()
            self.before = termios.tcgetattr(self.slave)
            self.typed = self.out
            self.process = subprocess.Popen(
                command, stdin=self.slave, stdout=self.slave, stderr=self.slave)
        else:
            fifo = os.path.join(self.directory.name, "typed")
            os.mkfifo(fifo)
            self.typed = os.open(fifo, os.O_RDWR) # does not wait for a reader
            self.process = subprocess.Popen(
                [command[0], "--typed", fifo] + command[1:], stdout=subprocess.PIPE)
            self.out = self.process.stdout.fileno()

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate() # qemu.sh ends QEMU
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def connect(self):
        """A link on which something is shown. One that is open is kept: a second
        one is told that another session is open."""
        end = time.time() + PATIENCE_S
        while time.time() < end and self.process.poll() is None:
            try:
                link = socket.create_connection(("127.0.0.1", self.port), 10)
                while time.time() < end and self.process.poll() is None:
                    if not select.select([link], [], [], 1)[0]:
                        continue
                    if link.recv(1, socket.MSG_PEEK):
                        return link
                    break # nobody has listened
            except OSError:
                pass
            time.sleep(0.1)
        fail("nobody listens", "")

    def read(self, seconds):
        ready, _, _ = select.select([self.out], [], [], seconds)
        if not ready:
            return self.process.poll() is None
        try:
            data = os.read(self.out, 65536)
        except OSError:
            data = b""
        self.shown = (self.shown + self.text.decode(data)).replace("\r\n", "\n")
        return len(data) > 0

    def expect(self, pattern):
        """Wait for it behind what was waited for before."""
        end = time.time() + PATIENCE_S
        while True:
            found = re.search(pattern, self.shown[self.since:])
            if found:
                self.since += found.end()
                return
            if time.time() > end or not self.read(1):
                fail("no %r" % pattern, self.shown)

    def type(self, text):
        data = text.encode()
        while data:
            data = data[os.write(self.typed, data[:200]):]
            while select.select([self.out], [], [], 0)[0] and self.read(0):
                pass


def run(machine):
    machine.start(sys.argv[1], sys.argv[2:])
    machine.expect(r"/> ")
    for typed, shown in STEPS:
        machine.type(typed)
        if shown is not None:
            machine.expect(re.escape(shown))
        if shown is None or not shown.endswith("> "):
            machine.expect(r"> ")
    if sys.argv[1] == "tcp":
        with machine.connect() as second:
            if b"another session is open" not in second.recv(100):
                fail("two sessions at once", machine.shown)
    machine.type("poweroff\r")
    while machine.process.poll() is None and machine.read(0.2):
        pass
    status = machine.process.wait(PATIENCE_S)
    print(machine.shown)
    if status != 0:
        sys.exit("FAILED: status %d" % status)
    if machine.slave is not None:
        if termios.tcgetattr(machine.slave) != machine.before:
            sys.exit("FAILED: the terminal is not as before")
    print("all %d steps" % len(STEPS))


def main():
    machine = Machine()
    try:
        run(machine)
    finally:
        machine.end()


main()
