#!/usr/bin/env python3
"""Make an ELF core file of a crash dump.

    torc_core.py LOG CORE              of what a machine with dump=console has printed
    torc_core.py DISK[:PART] CORE      of the area on a disk: dump=DISK[:PART]
    torc_core.py --mark DISK[:PART] [SIZE]
                                       make that area: all of the disk, file or partition, or
                                       SIZE bytes (with K, M, G). What is there must be zero,
                                       or such an area
    --sector 4096                      first: DISK is a file, and the machine's disk has such
                                       sectors, in which an MBR counts. A disk says it itself

Then: gdb IMAGE CORE. Each thread of each CPU is a thread of gdb; the first is the one
that failed. The formats: kernel/boot/dump.c, dump_disk.c.
"""
import base64
import binascii
import fcntl
import os
import re
import stat
import struct
import sys
import zlib

THREAD, MEMORY, ZERO, END = 1, 2, 3, 4
RUNS, IDLE, KNOWN, FAILED = 1, 2, 4, 8
REGISTERS = 27
SIZE_MAX = 1 << 32  # of all memory in a core
STREAM_MAX = 1 << 30  # of a dump in an area
AREA_MARK, STATE_MARK = b"TORC DUMP AREA 1", b"TORC DUMP STATE1"
STATE_AT, STREAM_AT, AREA_MIN = 4096, 8192, 64 << 10
BEGUN, WHOLE, CUT = 1, 2, 3
BLKSSZGET = 0x1268  # of Linux: the bytes of a logical sector


class Damaged(Exception):
    pass


# ---- Areas on disks -------------------------------------------------------


def read_at(disk, at, size):
    disk.seek(at)
    data = disk.read(size)
    if len(data) != size:
        raise Damaged(f"it has no {size} bytes at {at}")
    return data


def partition_gpt(disk, number):
    """(first byte, bytes) by a GPT; its sectors are 512 or 4096 bytes."""
    for unit in 512, 4096:
        header = read_at(disk, unit, 92)
        if header[:8] == b"EFI PART":
            array, count, size = struct.unpack_from("<QII", header, 72)
            if number > count or not 128 <= size <= 4096:
                break
            entry = read_at(disk, array * unit + (number - 1) * size, 128)
            first, last = struct.unpack_from("<QQ", entry, 32)
            if entry[:16] != bytes(16) and 0 < first <= last:
                return first * unit, (last - first + 1) * unit
            break
    raise Damaged(f"it has no partition {number}")


def sector_of(disk, wanted):
    """The bytes of a disk's sectors; of a file whatever is wanted, else 512."""
    if not stat.S_ISBLK(os.fstat(disk.fileno()).st_mode):
        return wanted or 512
    return struct.unpack("I", fcntl.ioctl(disk, BLKSSZGET, bytes(4)))[0]


def area_range(disk, number, unit):
    """Where the area may be: (first byte, bytes); an MBR counts in units."""
    end = disk.seek(0, os.SEEK_END)
    if number == 0:
        return 0, end
    sector = read_at(disk, 0, 512)
    if sector[510:] != b"\x55\xaa":
        raise Damaged("it has no partitions")
    entries = [struct.unpack_from("<B3xB3xII", sector, 446 + 16 * i) for i in range(4)]
    if any(kind == 0xee for _, kind, _, _ in entries):
        first, size = partition_gpt(disk, number)
    elif number <= 4 and entries[number - 1][2] != 0 and entries[number - 1][3] != 0:
        first, size = entries[number - 1][2] * unit, entries[number - 1][3] * unit
    else:
        raise Damaged(f"it has no partition {number}")
    if size > end - first:
        raise Damaged(f"partition {number} ends behind the disk")
    return first, size


def area_mark(size):
    mark = AREA_MARK + struct.pack("<Q", size)
    return mark + struct.pack("<I", zlib.crc32(mark))


def area_size(disk, first, room):
    """The bytes of the area that begins there; None: there is none."""
    head = read_at(disk, first, 28) if room >= AREA_MIN else b""
    size = struct.unpack_from("<Q", head, 16)[0] if head[:16] == AREA_MARK else 0
    if head != area_mark(size) or not AREA_MIN <= size <= room:
        return None
    return size


def area_make(name, number, wanted, unit):
    with open(name, "r+b") as disk:
        first, room = area_range(disk, number, sector_of(disk, unit))
        size = (wanted or room) // 4096 * 4096
        if not AREA_MIN <= size <= room:
            raise Damaged(f"an area has {AREA_MIN} bytes or more, and there are {room}")
        if area_size(disk, first, room) is None:
            at = first
            while at < first + size:  # a file system is not written over
                data = read_at(disk, at, min(1 << 20, first + size - at))
                if data.count(0) != len(data):
                    raise Damaged("something is there already: fill it with zeroes before")
                at += len(data)
        disk.seek(first)
        disk.write(area_mark(size).ljust(STREAM_AT, b"\0"))
        disk.flush()
        os.fsync(disk.fileno())
    return size


def stream_of_area(disk, first, size):
    """The bytes of the dump in an area."""
    state = read_at(disk, first + STATE_AT, 32)
    kind, length, check = struct.unpack_from("<IQI", state, 16)
    if state == bytes(32):
        raise Damaged("its area is empty: no dump was written")
    if state[:16] != STATE_MARK or check != zlib.crc32(state[:28]):
        raise Damaged("the state of its area is damaged")
    if kind == BEGUN:  # the stream says itself where it ends
        print("torc_core.py: the dump was begun and not ended: what is there is used",
              file=sys.stderr)
        length = min(size - STREAM_AT, STREAM_MAX)
    elif kind not in (WHOLE, CUT) or length > min(size - STREAM_AT, STREAM_MAX):
        raise Damaged("the state of its area is damaged")
    return read_at(disk, first + STREAM_AT, length)


def stream_of_file(name, unit):
    """Of a log, or of an area on a disk: DISK:PART, or what begins with the mark."""
    path, number = name_of(name)
    with open(path, "rb") as file:
        if number == 0 and file.read(16) != AREA_MARK:
            file.seek(0)
            return stream_of(file.read())
        first, room = area_range(file, number, sector_of(file, unit))
        size = area_size(file, first, room)
        if size is None:
            raise Damaged("no area for dumps is there")
        return stream_of_area(file, first, size)


def name_of(name):
    """DISK[:PART]"""
    match = re.fullmatch(r"(.+):(\d{1,3})", name)
    if match and not os.path.exists(name):
        return match.group(1), int(match.group(2))
    return name, 0


# ---- The stream -----------------------------------------------------------


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


def size_of(text):
    match = re.fullmatch(r"(\d{1,12})([KMG]?)", text)
    if not match:
        sys.exit(f"torc_core.py: {text} is no size: bytes, or with K, M or G")
    return int(match.group(1)) << {"": 0, "K": 10, "M": 20, "G": 30}[match.group(2)]


def main():
    args, unit = sys.argv[1:], 0
    if args[:1] == ["--sector"] and args[1:2] in (["512"], ["4096"]):
        unit, args = int(args[1]), args[2:]
    if args[:1] == ["--mark"] and len(args) in (2, 3):
        wanted = size_of(args[2]) if len(args) == 3 else 0
        try:
            size = area_make(*name_of(args[1]), wanted, unit)
        except (Damaged, OSError) as error:
            sys.exit(f"torc_core.py: {args[1]}: {error}")
        print(f"{args[1]}: an area of {size >> 10} KiB for dumps")
        return
    if len(args) != 2 or args[0].startswith("--"):
        sys.exit("usage: torc_core.py [--sector 4096] LOG|DISK[:PART] CORE\n"
                 "       torc_core.py [--sector 4096] --mark DISK[:PART] [SIZE]")
    try:
        core, threads = core_of(*read(stream_of_file(args[0], unit)))
        with open(args[1], "wb") as out:
            out.write(core)
    except (Damaged, OSError) as error:
        sys.exit(f"torc_core.py: {args[0]}: {error}")
    for i, (ident, cpu, flags, name, _) in enumerate(threads):
        what = "failed" if flags & FAILED else "running" if flags & RUNS else "stopped"
        print(f"thread {i + 1}: cpu {cpu}, {ident >> 24 & 255}.{ident & 0xffffff} "
              f"{name or ('idle' if flags & IDLE else 'thread')}, {what}")


if __name__ == "__main__":
    main()
