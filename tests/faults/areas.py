#!/usr/bin/env python3
"""Areas for dumps as tools/gdb/torc_core.py makes and reads them: of files and partitions; what
it must not write over; and areas that are damaged, or made to hurt.

    areas.py                 the test
    areas.py --disk FILE     makes a disk of 1 MiB whose partition 2 has 512 KiB
"""
import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib

TOOL = os.path.join(os.path.dirname(__file__), "../../tools/gdb/torc_core.py")
MIB, FIRST, SIZE = 1 << 20, 256 << 10, 512 << 10


def mbr_disk(unit=512):
    data = bytearray(MIB)
    struct.pack_into("<B3xB3xII", data, 446 + 16, 0, 0x83, FIRST // unit, SIZE // unit)
    data[510:512] = b"\x55\xaa"
    return data


def gpt_disk(unit):
    data = bytearray(MIB)
    struct.pack_into("<B3xB3xII", data, 446, 0, 0xee, 1, MIB // 512 - 1)
    data[510:512] = b"\x55\xaa"
    data[unit:unit + 8] = b"EFI PART"
    struct.pack_into("<QII", data, unit + 72, 2, 128, 128)
    entry = 2 * unit + 128
    data[entry] = 1
    struct.pack_into("<QQ", data, entry + 32, FIRST // unit, (FIRST + SIZE) // unit - 1)
    return data


def run(*words):
    return subprocess.run([sys.executable, TOOL, *words], capture_output=True, text=True, timeout=60)


def wants(what, result, status, text):
    said = result.stdout + result.stderr
    if (result.returncode == 0) != (status == 0) or text not in said or "Traceback" in said:
        sys.exit(f"areas.py: {what}: status {result.returncode}, it says:\n{said}")


def write(name, data):
    with open(name, "wb") as file:
        file.write(data)


def read(name):
    with open(name, "rb") as file:
        return file.read()


def stream():
    """A dump with one thread and a page."""
    data = b"TORCDUMP" + struct.pack("<II", 1, 248) + struct.pack("<QII16s", 1, 0, 13, b"main")
    data += bytes(216) + struct.pack("<IIQ", 2, 4104, 0x1000) + bytes(4096)
    return data + struct.pack("<III", 4, 4, zlib.crc32(data))


def state(kind, length):
    data = b"TORC DUMP STATE1" + struct.pack("<IQ", kind, length)
    return data + struct.pack("<I", zlib.crc32(data))


def test_marks(disk):
    for what, data, words in (("mbr", mbr_disk(), ()),
                              ("mbr 512", mbr_disk(), ("--sector", "512")),
                              ("mbr 4096", mbr_disk(4096), ("--sector", "4096")),
                              ("gpt", gpt_disk(512), ()),
                              ("gpt 4096", gpt_disk(4096), ())):
        write(disk, data)
        wants(what, run(*words, "--mark", disk + ":2"), 0, "512 KiB")
        made = read(disk)
        if made[FIRST:FIRST + 16] != b"TORC DUMP AREA 1" or made[:FIRST] != bytes(data[:FIRST]) or \
                made[FIRST + 8192:] != bytes(data[FIRST + 8192:]):
            sys.exit(f"areas.py: {what}: something else was written")
        wants(what, run(*words, "--mark", disk + ":2"), 0, "512 KiB")  # again
        wants(what, run(*words, disk + ":2", disk + ".core"), 1, "no dump was written")
        for number in "1", "3", "5", "129", "0":
            wants(what, run(*words, "--mark", f"{disk}:{number}"), 1, "torc_core.py")
    wants("sector", run("--sector", "1024", "--mark", disk), 1, "usage")
    write(disk, mbr_disk(4096))  # without the word it is one of 512
    wants("mbr as of 512", run("--mark", disk + ":2"), 0, "64 KiB")
    write(disk, bytes(MIB))
    wants("size", run("--mark", disk, "128K"), 0, "128 KiB")
    for size in "0x", "1T", "63K", "2M", "-5":
        wants(size, run("--mark", disk, size), 1, "torc_core.py")
    wants("no table", run("--mark", disk + ":1"), 1, "no partitions")
    # A file system, or anything else, is left alone.
    data = bytearray(MIB)
    data[700000] = 1
    write(disk, data)
    wants("taken", run("--mark", disk), 1, "something is there already")
    if read(disk) != bytes(data):
        sys.exit("areas.py: it was written over")
    for size in 0, 100, 8192, 65535:
        write(disk, bytes(size))
        wants("small", run("--mark", disk), 1, "an area has")


def test_reads(disk, core):
    dump = stream()
    write(disk, bytes(MIB))
    wants("mark", run("--mark", disk), 0, "1024 KiB")
    good = bytearray(read(disk))
    wants("empty", run(disk, core), 1, "no dump was written")
    good[4096:4128] = state(2, len(dump))
    good[8192:8192 + len(dump)] = dump
    write(disk, good)
    wants("good", run(disk, core), 0, "thread 1: cpu 0, 0.1 main, failed")
    for what, bad, text in (
            ("state", state(4, len(dump)), "damaged"),
            ("length", state(2, MIB), "damaged"),
            ("huge", state(2, 1 << 63), "damaged"),
            ("sum", state(2, len(dump))[:31] + b"\0", "damaged"),
            ("short", state(3, 100), "no thread"),
            ("none", state(2, 0), "does not begin")):
        write(disk, good[:4096] + bad + good[4128:])
        wants(what, run(disk, core), 1, text)
    write(disk, good[:4096] + state(1, 0) + good[4128:])  # without an end
    wants("begun", run(disk, core), 0, "not ended")
    write(disk, b"TORC DUMP AREA 1" + bytes(100))
    wants("mark only", run(disk, core), 1, "no area")
    # Whatever is turned over, it ends with a line.
    rng = random.Random(1)
    for _ in range(40):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            at = rng.choice((rng.randrange(64), 4096 + rng.randrange(32), 8192 + rng.randrange(600)))
            data[at] = rng.randrange(256)
        write(disk, data)
        result = run(disk, core)
        wants("flipped", result, result.returncode, "t")


def main():
    if sys.argv[1:2] == ["--disk"]:
        write(sys.argv[2], mbr_disk())
        return
    with tempfile.TemporaryDirectory() as work:
        disk, core = os.path.join(work, "disk"), os.path.join(work, "core")
        test_marks(disk)
        test_reads(disk, core)
    print("areas.py: areas are made, read, and refused as they should be")


main()
