#!/usr/bin/env python3
"""Presses keys of a machine with a keyboard and a screen, and reads the screen.

shell_keys.py QEMU.SH OPTIONS...   SHOT=FILE.png: makes a picture, too

Keys are pressed by QEMU's monitor; the text is what the memory of the VGA has.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE_S = int(os.environ.get("PATIENCE_S", "120"))
NAMES = {" ": "spc", "\r": "ret", "\t": "tab", "-": "minus", "/": "slash", ";": "semicolon",
         ".": "dot", "\x7f": "backspace", ">": "shift-dot", "<": "left", "^": "up", "\x0c": "ctrl-l"}

# Keys (< and ^: left and up), and what is on the screen then.
STEPS = [
    ("mkdir dir\r", "/> mkdir dir"),
    ("cd d\t\r", "/dir>"),
    ("echo helo wOrld<<<<<<<l\r", "hello wOrld"),
    ("echo onx\x7fe > f; cat f\r", "one"),
    ("^^\r", "/dir> echo hello wOrld"),
    ("nosuch\r", "nosuch: no such command; help lists them"),
    ("help\r", "  http     URL [FILE]                 fetch, and show or keep it"),
    ("ls\r", "f"),
]


class Machine:
    def __init__(self, command):
        self.directory = tempfile.TemporaryDirectory()
        path = os.path.join(self.directory.name, "qmp")
        self.dump = os.path.join(self.directory.name, "dump")
        self.process = subprocess.Popen(
            command + ["--", "-device", "VGA", "-qmp", "unix:%s,server,nowait" % path])
        end = time.time() + PATIENCE_S
        self.link = socket.socket(socket.AF_UNIX)
        while self.link.connect_ex(path) != 0 and time.time() < end:
            time.sleep(0.1)
        self.answers = self.link.makefile()
        self.answers.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self.link.sendall(json.dumps(request).encode())
        while True:
            answer = json.loads(self.answers.readline())
            if "return" in answer or "error" in answer:
                return answer

    def press(self, text):
        for letter in text:
            name = NAMES.get(letter, letter)
            if letter.isupper():
                name = "shift-" + letter.lower()
            keys = [{"type": "qcode", "data": key} for key in name.split("-")]
            self.ask("send-key", keys=keys, **{"hold-time": 10})
            time.sleep(0.03)

    def screen(self):
        if os.path.exists(self.dump):
            os.unlink(self.dump)
        self.ask("pmemsave", val=0xB8000, size=4000, filename=self.dump)
        with open(self.dump, "rb") as file:
            text = file.read()[0::2].decode("cp437")
        return [text[i:i + 80].rstrip() for i in range(0, 2000, 80)]

    def expect(self, line):
        end = time.time() + PATIENCE_S
        while time.time() < end:
            rows = self.screen()
            if line in rows:
                return
            time.sleep(0.1)
        print("\n".join(self.screen()))
        sys.exit("FAILED: no %r on the screen" % line)


def main():
    machine = Machine(sys.argv[1:])
    machine.expect("/>")
    for keys, shown in STEPS:
        machine.press(keys)
        machine.expect(shown)
    print("\n".join(machine.screen()))
    if "SHOT" in os.environ: # docs/shell.png
        machine.press("\x0chexdump f\rdf\rmem\rcpu\recho a shell on a screen\r")
        machine.expect("a shell on a screen")
        time.sleep(0.5)
        machine.ask("screendump", filename=os.path.abspath(os.environ["SHOT"]), format="png")
    machine.press("poweroff\r")
    status = machine.process.wait(PATIENCE_S)
    if status != 0:
        sys.exit("FAILED: status %d" % status)
    print("all %d steps" % len(STEPS))


main()
