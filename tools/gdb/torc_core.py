#!/usr/bin/env python3
"""Make an ELF core file of a crash dump: torc_core.py LOG CORE

LOG is what the console of a machine with dump=console has printed (kernel/boot/dump.c).
Then: gdb IMAGE CORE. Each thread of each CPU is a thread of gdb; the first is the one
that failed.
"""
import base64
import binascii
import re
import struct
import sys
import zlib

THREAD, MEMORY, ZERO, END = 1, 2, 3, 4
RUNS, IDLE, KNOWN, FAILED = 1, 2, 4, 8
REGISTERS = 27
SIZE_MAX = 1 << 32  # of all memory in a core


class Damaged(Exception):
    pass


def stream_of(log):
    """The bytes of the last dump in a log."""
    data = None
    for line in re.split(rb"[\r\n]+", log):
        if line.startswith(b"a dump begins"):
            data = b""
        match = re.fullmatch(rb"dump: ([A-Za-z0-9+/=]+)", line)
        if match and data is not None:
            try:
                data += base64.b64decode(match.group(1), validate=True)
            except binascii.Error as error:
                raise Damaged(f"a line is no base64: {error}")
    if data is None:
        raise Damaged("there is no dump in it: boot with dump=console, "
                      "and name dump_driver in torc_app.drivers")
    return data


def records_of(data):
    """Yield (type, payload); whether it is whole is said at the end."""
    if data[:8] != b"TORCDUMP":
        raise Damaged("it does not begin as a dump")
    at = 8
    while len(data) - at >= 8:
        kind, size = struct.unpack_from("<II", data, at)
        if size > len(data) - at - 8:
            break
        payload = data[at + 8:at + 8 + size]
        if kind == END:
            if size != 4 or struct.unpack("<I", payload)[0] != zlib.crc32(data[:at]):
                raise Damaged("its check sum is wrong")
            return
        yield kind, payload
        at += 8 + size
    print("torc_core.py: the dump has no end: what is there is used", file=sys.stderr)


def read(data):
    threads, memory = [], {}
    for kind, payload in records_of(data):
        if kind == THREAD:
            if len(payload) != 32 + 8 * REGISTERS:
                raise Damaged("a thread's record is too short")
            ident, cpu, flags, name = struct.unpack_from("<QII16s", payload)
            threads.append((ident, cpu, flags, name.split(b"\0")[0].decode("ascii", "replace"),
                            payload[32:]))
        elif kind == MEMORY and len(payload) >= 8:
            memory[struct.unpack_from("<Q", payload)[0]] = payload[8:]
        elif kind == ZERO and len(payload) == 16:
            at, size = struct.unpack("<QQ", payload)
            if size > SIZE_MAX:
                raise Damaged("too much is zero")
            memory.setdefault(at, bytes(size))
    return threads, memory


def segments_of(memory):
    """Contiguous stretches of memory, ascending; of two that overlap the first counts."""
    segments = []
    for at in sorted(memory):
        data = memory[at]
        if segments:
            last, have = segments[-1]
            end = last + len(have)
            if at < end:
                data, at = data[end - at:], end
            if at == end:
                have += data
                continue
        if data:
            segments.append((at, bytearray(data)))
    return segments


def note(name, kind, data):
    name += b"\0"
    pad = lambda text: text + bytes(-len(text) % 4)
    return struct.pack("<III", len(name), len(data), kind) + pad(name) + pad(data)


def status_of(number, thread):
    """struct elf_prstatus of Linux on x86-64."""
    return struct.pack("<iiihHQQiiii64x", 0, 0, 0, 11 if thread[2] & FAILED else 0, 0, 0, 0,
                       number, 1, 1, 1) + thread[4] + struct.pack("<ii", 0, 0)


def core_of(threads, memory):
    threads = [thread for thread in threads if thread[2] & KNOWN]
    threads.sort(key=lambda thread: not thread[2] & FAILED)
    if not threads:
        raise Damaged("it has no thread")
    notes = b"".join(note(b"CORE", 1, status_of(i + 1, thread))
                     for i, thread in enumerate(threads))
    segments = segments_of(memory)
    offset = 64 + 56 * (1 + len(segments))
    head = struct.pack("<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 4, 62, 1, 0, 64, 0, 0,
                       64, 56, 1 + len(segments), 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 4, 0, offset, 0, 0, len(notes), 0, 4)
    offset += len(notes)
    for at, data in segments:
        head += struct.pack("<IIQQQQQQ", 1, 6, offset, at, at, len(data), len(data), 1)
        offset += len(data)
    return head + notes + b"".join(bytes(data) for _, data in segments), threads


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: torc_core.py LOG CORE")
    try:
        with open(sys.argv[1], "rb") as log:
            core, threads = core_of(*read(stream_of(log.read())))
        with open(sys.argv[2], "wb") as out:
            out.write(core)
    except (Damaged, OSError) as error:
        sys.exit(f"torc_core.py: {sys.argv[1]}: {error}")
    for i, (ident, cpu, flags, name, _) in enumerate(threads):
        what = "failed" if flags & FAILED else "running" if flags & RUNS else "stopped"
        print(f"thread {i + 1}: cpu {cpu}, {ident >> 24 & 255}.{ident & 0xffffff} "
              f"{name or ('idle' if flags & IDLE else 'thread')}, {what}")


if __name__ == "__main__":
    main()
