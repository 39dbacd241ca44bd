#!/usr/bin/env python3
"""Random flips of a bit in a machine that runs, and what becomes of it.

    flips.py --host APP [--qemu APP] [--flips N] [--seed S] [--jobs J]

Each run of tests/flips/app.c is stopped at a random moment, one bit of it is turned over, and it
goes on. A process is stopped by ptrace(2), QEMU by its gdbstub. By turns the bit is in

    register   a general register, the flags or the instruction pointer of a CPU
    text       the code of the image
    data       its variables: .data and .bss
    stack      what is above the stack pointer of a CPU, 2 KiB
    memory     the machine's memory: heap, stacks, page tables; pages that are in use

The ends: right (status 0, the known result), told (a status that is not 0 and a line that says
why), early (by a signal, and when its bit was turned over the process could not catch it yet: it is
in the dynamic linker, or the C library starts a thread), mute (another status that is not 0, and
nothing), hang (it has not ended), damaged (status 0, and a line that does not fit its own check, or
none), wrong (status 0 and another result, with its check). `wrong` and `mute` are failures. Each run but right, told and unfit is named, with where it was stopped.
"""
import argparse
import collections
import ctypes
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

KINDS = "register", "text", "data", "stack", "memory"
ENDS = "right", "told", "early", "damaged", "mute", "hang", "wrong", "unfit"
PATIENCE = 40  # s; the application gives up after 10
PATIENCE_KILLED = 10  # s
OPTIONS = "watchdog=500 stuck=end memcheck=1"
TOLD = (r"panic|error|warning|fault|[Aa]ssert|broken rule|triple|\*\*\*|"
        r"(free|alloc)\(\): |corrupt|double free|ERROR")  # these are the host's libraries'
libc = ctypes.CDLL(None, use_errno=True)
SEIZE, INTERRUPT, DETACH, GETREGS, SETREGS = 0x4206, 0x4207, 17, 12, 13
O_EXITKILL, WALL, EVENT_STOP = 1 << 20, 0x40000000, 128
FATAL = signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE
REGS = 15  # that may be turned over, and then rip, flags, rsp
NAMES = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig rip cs flags rsp ss "
         "fs gs ds es fs gs").split()
FLIPPABLE = [i for i, name in enumerate(NAMES) if name in
             "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi rip rsp".split()]


class Unfit(Exception):
    """It has ended before its bit was turned over."""


# ---- A process -------------------------------------------------------------


def ptrace(request, tid, addr=0, data=0):
    libc.ptrace.restype = ctypes.c_long
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(request, tid, addr, data) != 0:
        raise Unfit()


class Child:
    """A process with its own group. Whoever traces its threads has to wait for each of them, or
    the process never ends: so all that ends or stops is taken here, and nowhere else."""

    def __init__(self, command):
        self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, start_new_session=True)
        self.pid = self.popen.pid
        self.status = None  # as Popen has it
        self.stops = {}  # of each thread that stands still: the signal that it is about to get

    def take(self):
        """All that can be taken now; whether there was anything."""
        any_taken = False
        while True:
            try:
                tid, status = os.waitpid(-1, WALL | os.WNOHANG)
            except ChildProcessError:
                return any_taken
            if tid == 0:
                return any_taken
            any_taken = True
            if os.WIFSTOPPED(status):
                self.stops[tid] = 0 if status >> 16 == EVENT_STOP else os.WSTOPSIG(status)
                continue
            self.stops.pop(tid, None)
            if tid == self.pid:
                self.status = self.popen.returncode = os.waitstatus_to_exitcode(status)

    def let_go(self):
        for tid, number in list(self.stops.items()):
            del self.stops[tid]
            try:
                ptrace(DETACH, tid, 0, number)
            except Unfit:
                pass  # it is being ended

    def wait(self, seconds):
        """Its status; None: it has not ended."""
        end, pause = time.monotonic() + seconds, 0.0005
        while self.status is None and time.monotonic() < end:
            if not self.take():
                time.sleep(pause)
                pause = min(pause * 2, 0.01)
            self.let_go()
        return self.status

    def kill(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if self.wait(PATIENCE_KILLED) is None:
            print(f"flips.py: process {self.pid} is left: it does not end", file=sys.stderr)
            self.popen.returncode = -signal.SIGKILL  # Popen shall not wait for it

    def close(self):
        self.kill()  # or what it has started
        self.popen.stdout.close()
        self.take()


class Process:
    """All threads stopped; `tid` is one of its CPUs."""

    def __init__(self, child, image, rng):
        pid = child.pid
        self.child, self.pid, self.image = child, pid, image
        self.tids = sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))
        cpus = [tid for tid in self.tids if self.name(tid).startswith("cpu") or tid == pid]
        self.tid = rng.choice(cpus)
        for tid in self.tids:
            ptrace(SEIZE, tid, 0, O_EXITKILL)
            ptrace(INTERRUPT, tid)
        end = time.monotonic() + 1
        while not set(self.tids) <= set(child.stops):
            if child.status is not None or time.monotonic() > end:
                raise Unfit()
            if not child.take():
                time.sleep(0.0003)

    def where(self):
        """Where its CPU is, and (text) whether it could not catch a fault now."""
        rip = self.registers()[NAMES.index("rip")]
        place = f"{rip:#x}"
        with open(f"/proc/{self.pid}/maps", encoding="ascii") as maps:
            for line in maps:
                words = line.split()
                low, high = (int(text, 16) for text in words[0].split("-"))
                if low <= rip < high and len(words) > 5:
                    place += f" in {os.path.basename(words[5])}+{rip - low + int(words[2], 16):#x}"
        with open(f"/proc/{self.pid}/task/{self.tid}/status", encoding="ascii") as file:
            masks = dict(line.split(":\t") for line in file if line.startswith("Sig"))
        bit = 1 << signal.SIGSEGV - 1
        if not int(masks["SigCgt"], 16) & bit:
            return place, "no handlers yet"
        return place, "signals blocked" if int(masks["SigBlk"], 16) & bit else ""

    def name(self, tid):
        with open(f"/proc/{self.pid}/task/{tid}/comm", encoding="ascii") as file:
            return file.read().strip()

    def registers(self):
        regs = (ctypes.c_uint64 * 27)()
        ptrace(GETREGS, self.tid, 0, ctypes.addressof(regs))
        return regs

    def registers_set(self, regs):
        ptrace(SETREGS, self.tid, 0, ctypes.addressof(regs))

    def ranges(self, kind):
        """(from, to) of what a kind is in."""
        found = []
        largest = (0, 0)
        with open(f"/proc/{self.pid}/maps", encoding="ascii") as maps:
            for line in maps:
                words = line.split()
                low, high = (int(text, 16) for text in words[0].split("-"))
                mine = len(words) > 5 and os.path.samefile(words[5], self.image) \
                    if len(words) > 5 and words[5].startswith("/") and os.path.exists(words[5]) else False
                if kind == "text" and mine and "x" in words[1]:
                    found.append((low, high))
                if kind == "data" and "w" in words[1] and low < 1 << 32 and "heap" not in line:
                    found.append((low, high))  # the image is not relocated: .bss follows it
                if "w" in words[1] and high - low > largest[1] - largest[0]:
                    largest = low, high
        return [largest] if kind == "memory" else found

    def present(self, ranges):
        pages = []
        with open(f"/proc/{self.pid}/pagemap", "rb") as file:
            for low, high in ranges:
                file.seek(low // 4096 * 8)
                data = file.read((high - low) // 4096 * 8)
                pages += [low + 4096 * i for i, (entry,) in enumerate(struct.iter_unpack("<Q", data))
                          if entry >> 62]
        return pages

    def place(self, kind, rng):
        if kind == "stack":
            return self.registers()[19] + rng.randrange(2048)
        pages = self.present(self.ranges(kind))
        if not pages:
            raise Unfit()
        return rng.choice(pages) + rng.randrange(4096)

    def flip(self, address, bit):
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(address)
            byte = memory.read(1)
            if len(byte) != 1:
                raise Unfit()
            memory.seek(address)
            memory.write(bytes([byte[0] ^ 1 << bit]))


def flip_process(child, image, kind, rng):
    """(What was turned over, for people; why a fault could not be caught then)"""
    try:
        process = Process(child, image, rng)
        place, cannot = process.where()
        cpu = "cpu0" if process.tid == child.pid else "another CPU"
        return f"{flip_one(process, kind, rng)}, {cpu} at {place}, {cannot or 'handlers'}", cannot
    except OSError:
        raise Unfit() from None
    finally:
        child.let_go()


def flip_one(machine, kind, rng):
    """What was turned over, for people."""
    bit = rng.randrange(64)
    if kind == "register":
        regs = machine.registers()
        which = rng.choice(FLIPPABLE)
        if NAMES[which] == "rip":
            bit %= 32
        regs[which] ^= 1 << bit
        machine.registers_set(regs)
        return f"{NAMES[which]} bit {bit}"
    address = machine.place(kind, rng)
    machine.flip(address, bit % 8)
    return f"{address:#x} bit {bit % 8}"


# ---- QEMU by its gdbstub ---------------------------------------------------


class Stub:
    """One of its CPUs, which all stand still."""

    def __init__(self, path, symbols, rng):
        self.symbols, self.rng = symbols, rng
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        try:
            self.socket.connect(path)
            self.ask("?")
            time.sleep(0.2)  # that it has stopped may be told twice
            select.select([self.socket], [], [], 0.2)[0] and self.socket.recv(4096)
            if self.ask(f"Hg{rng.choice((1, 2))}") != "OK":
                raise Unfit()
        except OSError:
            raise Unfit() from None

    def ask(self, text):
        data = text.encode()
        self.socket.sendall(b"$" + data + b"#%02x" % (sum(data) & 255))
        buffer = b""
        while b"$" not in buffer or not re.search(rb"\$[^#]*#..$", buffer, re.S):
            more = self.socket.recv(4096)
            if not more:
                raise Unfit()
            buffer += more
        self.socket.sendall(b"+")
        return re.search(rb"\$([^#]*)#..$", buffer, re.S).group(1).decode()

    def place(self, kind, rng):
        if kind == "stack":
            regs = bytes.fromhex(self.ask("g")[:16 * 17])
            return struct.unpack_from("<Q", regs, 8 * 7)[0] + rng.randrange(2048)
        low, high = self.symbols[kind]
        return rng.randrange(low, high)

    def registers(self):
        order = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split()
        values = struct.unpack("<17Q", bytes.fromhex(self.ask("g")[:16 * 17]))
        regs = [0] * 27
        for name, value in zip(order, values):
            regs[NAMES.index(name)] = value
        return regs

    def registers_set(self, regs):
        order = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split()
        for i, name in enumerate(order):
            self.ask(f"P{i:x}={struct.pack('<Q', regs[NAMES.index(name)]).hex()}")

    def flip(self, address, bit):
        byte = self.ask(f"m{address:x},1")
        if not re.fullmatch("[0-9a-f]{2}", byte):
            raise Unfit()
        self.ask(f"M{address:x},1:{int(byte, 16) ^ 1 << bit:02x}")

    def go_on(self):
        self.socket.sendall(b"$D#44")
        self.socket.close()


def symbols_of(image):
    text = subprocess.run(["nm", image], capture_output=True, text=True, check=True).stdout
    at = {line.split()[2]: int(line.split()[0], 16) for line in text.splitlines() if len(line.split()) == 3}
    segments = subprocess.run(["readelf", "-lW", image], capture_output=True, text=True, check=True).stdout
    code = next(line.split() for line in segments.splitlines() if "LOAD" in line and " E " in line)
    start = int(code[2], 16)
    return {"text": (start, start + int(code[4], 16)), "data": (at["data_start"], at["_end"]),
            "memory": (16 << 20, 17 << 20)}


# ---- Runs ------------------------------------------------------------------


def wait_output(child, seconds):
    """(output, status or None)"""
    data, end = b"", time.monotonic() + seconds
    output = child.popen.stdout
    while time.monotonic() < end:
        ready, _, _ = select.select([output], [], [], min(0.5, max(0, end - time.monotonic())))
        if ready:
            more = os.read(output.fileno(), 65536)
            if not more:
                break
            data += more
        elif child.wait(0.001) is not None:
            break  # who has inherited its output keeps it open
    return data, child.wait(max(0.1, end - time.monotonic()))


def fits(line):
    """Whether the check in the line is that of its result, as tests/flips/app.c makes it."""
    match = re.fullmatch(r"result ([0-9a-f]{16}) check ([0-9a-f]{16})", line)
    if not match:
        return False
    value, check = (int(text, 16) for text in match.groups())
    return check == (value * 3 & (1 << 64) - 1) ^ 0x5bd1e995


def end_of(output, status, known, cannot):
    text = output.decode("latin-1").replace("\r", "")
    if status is None:
        return "hang"
    results = re.findall(r"^result .*$", text, re.M)
    if status == 0:
        if results == [known]:
            return "right"
        return "wrong" if any(fits(line) for line in results) else "damaged"
    if re.search(TOLD, text):
        return "told"
    return "early" if cannot and -status in FATAL else "mute"


def run_host(image, kind, rng, known, longest):
    child = Child([image, "--cpus", "2", "--", *OPTIONS.split()])
    what, cannot = None, ""
    try:
        if kind is not None:
            time.sleep(rng.uniform(0.002, longest))
            what, cannot = flip_process(child, image, kind, rng)
    except Unfit:
        pass
    output, status = wait_output(child, PATIENCE if kind is None or what else 1)
    child.close()
    return finish(kind, what, output, status, known, cannot)


def run_qemu(image, kind, rng, known, longest, symbols):
    path = f"/tmp/flips.{os.getpid()}.sock"
    child = Child(["tools/qemu.sh", "--no-net", "--cpus", "2", "--mem", "32", "--kernel", image, "--append",
                   OPTIONS, "--", "-gdb", f"unix:{path},server=on,wait=off"])
    what = None
    try:
        if kind is not None:
            time.sleep(rng.uniform(0.3, longest))
            stub = Stub(path, symbols, rng)
            try:
                what = flip_one(stub, kind, rng)
            finally:
                stub.go_on()
    except (Unfit, OSError):
        pass
    output, status = wait_output(child, PATIENCE)
    child.close()
    return finish(kind, what, output, status, known, "")


def finish(kind, what, output, status, known, cannot):
    if kind is not None and what is None:
        return "unfit", what, output, status
    return end_of(output, status, known, cannot), what, output, status


def series(name, run, flips, seed, log):
    """Returns the table: ends by kind."""
    began = time.monotonic()
    _, _, output, status = run(None, None, "")
    took = time.monotonic() - began
    match = re.search(r"^result .*$", output.decode("latin-1").replace("\r", ""), re.M)
    if status != 0 or not match:
        sys.exit(f"flips.py: {name} does not work at all: status {status}")
    known = match.group(0)
    table = collections.Counter()
    for i in range(flips):
        kind = KINDS[i % len(KINDS)]
        for attempt in range(10):
            rng = random.Random(f"{seed} {name} {i} {attempt}")
            end, what, output, status = run(kind, rng, known, took)
            if end != "unfit":
                break
        table[kind, end] += 1
        if end not in ("right", "told", "unfit"):
            print(f"{name} {i}: {kind} {what}: {end}, status {status}", file=log, flush=True)
            log.write("    " + output.decode("latin-1")[-1500:].replace("\n", "\n    ") + "\n")
        if i % 100 == 99:
            show(f"{name}, {i + 1} flips", table, log)
    return table


def show(title, table, log):
    lines = [f"{title}\n  {'':9}" + "".join(f"{end:>8}" for end in ENDS)]
    for kind in KINDS:
        lines.append(f"  {kind:9}" + "".join(f"{table[kind, end]:8}" for end in ENDS))
    lines.append(f"  {'all':9}" + "".join(f"{sum(table[kind, end] for kind in KINDS):8}" for end in ENDS))
    print("\n".join(lines), file=log, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--qemu")
    parser.add_argument("--flips", type=int, default=100)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--log")
    args = parser.parse_args()
    log = open(args.log, "a", encoding="utf-8") if args.log else sys.stdout
    bad = 0
    if args.host:
        run = lambda kind, rng, known, longest=0: run_host(args.host, kind, rng, known, longest)
        table = series("host", run, args.flips, args.seed, log)
        show(f"host, {args.flips} flips, seed {args.seed}", table, sys.stdout)
        bad += sum(table[kind, end] for kind in KINDS for end in ("wrong", "mute"))
    if args.qemu:
        symbols = symbols_of(args.qemu)
        run = lambda kind, rng, known, longest=0: run_qemu(args.qemu, kind, rng, known, longest, symbols)
        table = series("qemu", run, args.flips, args.seed, log)
        show(f"qemu, {args.flips} flips, seed {args.seed}", table, sys.stdout)
        bad += sum(table[kind, end] for kind in KINDS for end in ("wrong", "mute"))
    sys.exit(1 if bad else 0)


main()
