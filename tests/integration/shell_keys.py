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

QUEUE_BYTES = 16 # what QEMU's keyboard keeps until the machine reads it

# Keys (< and ^: left and up), and what is on the screen then.
STEPS = [
    ("mkdir dir\r", "/> mkdir dir"),
    ("cd d\t\r", "/dir>"),
    ("echo hello wOld<<r\r", "hello wOrld"),
    ("echo onx\x7fe > f; cat f\r", "one"),
    ("^^\r", "/dir> echo hello wOrld"),
    ("nosuch\r", "nosuch: no such command; help lists them"),
    ("help\r", "  http     URL [FILE]                 fetch, and show or keep it"),
    ("ls\r", "f"),
]


def key_bytes(name):
    """Of a press and a release, as the keyboard controller translates them."""
    return sum(4 if key in ("left", "up") else 2 for key in name.split("-"))


class Line:
    """What is typed so far, as the shell echoes it; None when only the shell knows."""

    def __init__(self):
        self.text = ""
        self.at = 0

    def key(self, letter):
        if letter == "\r" or letter == "\x0c":
            self.__init__()
        elif letter in "\t^" or self.text is None:
            self.text = None
        elif letter == "<":
            self.at -= 1
        elif letter == "\x7f":
            self.text = self.text[:self.at - 1] + self.text[self.at:]
            self.at -= 1
        else:
            self.text = self.text[:self.at] + letter + self.text[self.at:]
            self.at += 1


class Machine:
    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.dump = os.path.join(self.directory.name, "dump")
        self.process = None

    def start(self, command):
        path = os.path.join(self.directory.name, "qmp")
        self.process = subprocess.Popen(
            command + ["--", "-device", "VGA", "-qmp", "unix:%s,server,nowait" % path])
        end = time.time() + PATIENCE_S
        self.link = socket.socket(socket.AF_UNIX)
        while self.link.connect_ex(path) != 0:
            if time.time() > end or self.process.poll() is not None:
                sys.exit("FAILED: QEMU does not listen")
            time.sleep(0.1)
        self.answers = self.link.makefile()
        self.answers.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self.link.sendall(json.dumps(request).encode())
        while True:
            line = self.answers.readline()
            if not line:
                sys.exit("FAILED: QEMU has ended")
            answer = json.loads(line)
            if "return" in answer or "error" in answer:
                return answer

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate() # qemu.sh, which ends QEMU
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def press(self, text):
        """Never more at once than the keyboard keeps."""
        line = Line()
        waiting = 0
        for letter in text:
            name = NAMES.get(letter, letter)
            if letter.isupper():
                name = "shift-" + letter.lower()
            if waiting + key_bytes(name) > QUEUE_BYTES:
                if line.text is None:
                    sys.exit("FAILED: too many keys without an echo: %r" % text)
                self.expect_end("> " + line.text)
                waiting = 0
            waiting += key_bytes(name)
            keys = [{"type": "qcode", "data": key} for key in name.split("-")]
            self.ask("send-key", keys=keys, **{"hold-time": 10})
            time.sleep(0.03)
            line.key(letter)

    def screen(self):
        if os.path.exists(self.dump):
            os.unlink(self.dump)
        self.ask("pmemsave", val=0xB8000, size=4000, filename=self.dump)
        with open(self.dump, "rb") as file:
            text = file.read()[0::2].decode("cp437")
        return [text[i:i + 80].rstrip() for i in range(0, 2000, 80)]

    def wait_for(self, is_shown, what):
        end = time.time() + PATIENCE_S
        while time.time() < end:
            if is_shown(self.screen()):
                return
            time.sleep(0.02)
        print("\n".join(self.screen()))
        sys.exit("FAILED: no %r on the screen" % what)

    def expect(self, line):
        self.wait_for(lambda rows: line in rows, line)

    def expect_end(self, text):
        """Of the last row that is not empty."""
        text = text.rstrip()
        self.wait_for(lambda rows: [row for row in rows if row][-1:] and
                      [row for row in rows if row][-1].endswith(text), text)


def run(machine):
    machine.start(sys.argv[1:])
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


def main():
    machine = Machine()
    try:
        run(machine)
    finally:
        machine.end()


if __name__ == "__main__":
    main()
