#!/usr/bin/env python3
"""Reads the letters on a machine's screen of pixels, until all that is wanted is there.

screen_text.py QEMU.SH OPTIONS... -- TEXT...   SHOT=FILE.png: makes a picture, too

Each cell of the picture that QEMU's monitor makes must be a glyph of drivers/font.c, dot by
dot; the one with the cursor is left out. The machine stands still at its end.
"""
import os
import re
import sys
import time

from shell_keys import PATIENCE_S, Machine

WIDTH, HEIGHT, ABOVE = 8, 16, 7
FONT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../drivers/font.c")


def glyphs():
    """The character of each sixteen rows of dots."""
    letters = {}
    with open(FONT, encoding="ascii") as file:
        rows = re.findall(r"^    \{((?:0x[0-9a-f]+(?:, )?)+)\},", file.read(), re.M)
    for at, row in enumerate(rows):
        drawn = [int(value, 16) << 2 for value in row.split(", ")]
        drawn += [0] * (9 - len(drawn))
        dots = [drawn[y // 2] if y < 2 * ABOVE else drawn[y - ABOVE] for y in range(HEIGHT)]
        letters[bytes(dots)] = chr(32 + at) if at < 95 else "\ufffd"
    if len(letters) != 96:
        sys.exit("FAILED: %d glyphs in %s" % (len(letters), FONT))
    return letters


def read_ppm(data):
    """(width, height, one byte for each pixel that is not black)"""
    match = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    if not match:
        sys.exit("FAILED: no picture")
    width, height = int(match.group(1)), int(match.group(2))
    body = data[match.end():]
    return width, height, bytes(map(max, body[0::3], body[1::3], body[2::3]))


def rows_of(picture, letters):
    width, height, pixels = picture
    rows = []
    for top in range(0, height - HEIGHT + 1, HEIGHT):
        row = ""
        for left in range(0, width - WIDTH + 1, WIDTH):
            dots = []
            for y in range(top, top + HEIGHT):
                line = pixels[y * width + left:y * width + left + WIDTH]
                dots.append(sum(0x80 >> x for x in range(WIDTH) if line[x] != 0))
            row += letters.get(bytes(dots), "\x00")
        rows.append(row)
    return rows


class Screen(Machine):
    letters = glyphs()

    def screen(self):
        if os.path.exists(self.dump):
            os.unlink(self.dump)
        self.ask("screendump", filename=self.dump)
        with open(self.dump, "rb") as file:
            return rows_of(read_ppm(file.read()), self.letters)


def main():
    cut = sys.argv.index("--")
    wanted = sys.argv[cut + 1:]
    machine = Screen()
    try:
        machine.start(sys.argv[1:cut])
        end = time.time() + PATIENCE_S
        rows = []
        while time.time() < end and machine.process.poll() is None:
            rows = machine.screen()
            if all(any(text in row for row in rows) for text in wanted):
                break
            time.sleep(0.2)
        else:
            print("\n".join(row.replace("\0", "#") for row in rows))
            sys.exit("FAILED: not all on the screen")
        time.sleep(0.5)
        rows = machine.screen()
        strange = sum(row.count("\0") for row in rows)
        print("\n".join(row.replace("\0", "#").rstrip() for row in rows).rstrip())
        if strange > 1:
            sys.exit("FAILED: %d cells are no letters" % strange)
        if "SHOT" in os.environ:  # docs/screen.png
            machine.ask("screendump", filename=os.path.abspath(os.environ["SHOT"]), format="png")
    finally:
        machine.end()


main()
