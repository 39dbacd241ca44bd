#!/usr/bin/env python3
"""Damage ext2 images, and compare what torc-fsck and e2fsck say of each.

    compare.py [--count N] [--seed S] [--jobs J] [--show] [--keep DIR] TORC_FSCK
    compare.py --replay SHAPE:DAMAGE TORC_FSCK

Of each shape of image one thing is damaged at a time: each field of each
structure in turn with several values, then places and values at random. For
each image both must find something, or neither; and each problem that e2fsck
tells must be one that fs/ext2/check/codes.c gives for a code that torc-fsck
told. The end is a table of how often they agree, and every image where they do
not. docs/fsck.md says which differences are meant.
"""
import argparse
import collections
import concurrent.futures
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ENV = dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin",
           E2FSPROGS_FAKE_TIME="1700000000")

SHAPES = {
    # name: (mke2fs options, KiB, commands of debugfs, index)
    "1k": ("-b 1024 -N 192 -I 256", 1024, True),
    "1k_index": ("-b 1024 -N 1024 -I 128 -O dir_index", 4096, True),
    "2k": ("-b 2048 -N 128 -I 256", 1600, True),
    "4k": ("-b 4096 -N 128 -I 256", 3000, True),
    "rev0": ("-r 0 -b 1024 -N 128 -O none", 800, False),
    "groups": ("-b 1024 -g 512 -N 256", 3000, True),
    "meta_bg": ("-b 1024 -g 256 -N 256 -O meta_bg,^resize_inode", 3000, True),
    "plain": ("-b 1024 -N 96 -O ^filetype,^dir_index,^sparse_super,"
              "^resize_inode,^ext_attr", 700, False),
    "journal": ("-j -J size=1 -b 1024 -N 96", 4000, True),
}


def run(*command, check=True):
    done = subprocess.run(command, env=ENV, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120)
    if check and done.returncode not in (0, 1):
        raise SystemExit(f"{command}: {done.returncode}\n"
                         f"{done.stdout.decode(errors='replace')}")
    return done


# ---- Images ---------------------------------------------------------------

def put(path, size):
    with open(path, "wb") as file:
        file.write(bytes((i * 31 + size) % 251 for i in range(size)))


def tree_make(top, index):
    os.makedirs(top + "/dir/sub/deep")
    os.mkdir(top + "/empty")
    put(top + "/small", 100)
    put(top + "/file", 20000)
    put(top + "/double", 300000)
    with open(top + "/sparse", "wb") as file:
        file.seek(70 << 20)
        file.write(b"here")
    with open(top + "/large", "wb") as file:
        file.truncate(3 << 30)
    os.symlink("dir/sub", top + "/fast")
    os.symlink("/".join(["long"] * 30), top + "/slow")
    os.mkfifo(top + "/fifo")
    os.link(top + "/small", top + "/dir/other-name")
    put(top + "/dir/sub/x", 1)
    for i in range(1, 30):
        put(f"{top}/dir/entry-{i}", i)
    if index:
        os.mkdir(top + "/many")
        for i in range(350):
            os.link(top + "/small", f"{top}/many/a-name-that-is-long-enough-"
                    f"to-fill-blocks-soon-{i}")


def image_make(work, name):
    options, kib, attributes = SHAPES[name]
    index = name == "1k_index"
    top, path = f"{work}/{name}.tree", f"{work}/{name}.img"
    tree_make(top, index)
    run("mke2fs", "-q", "-F", "-t", "ext2", *options.split(), "-U",
        "11111111-1111-1111-1111-111111111111", "-d", top, path, f"{kib}k")
    shutil.rmtree(top)
    commands = ["mknod null c 1 3", "mknod disk b 8 0"]
    if attributes:
        commands += [
            "ea_set /file user.color red",
            "ea_set /file user.more " + "m" * 300,
            "ea_set /dir user.of_dir yes",
            "ea_set /small user.block " + "b" * 200,
        ]
    with open(f"{work}/commands", "w") as file:
        file.write("\n".join(commands) + "\n")
    run("debugfs", "-w", "-f", f"{work}/commands", path)
    run("e2fsck", "-fyD" if index else "-fy", path)
    if run("e2fsck", "-fn", path, check=False).returncode != 0:
        raise SystemExit(f"{name}: e2fsck does not like what mke2fs made")
    with open(path, "rb") as file:
        return bytearray(file.read())


class Image:
    """Where things are in a good image."""

    def __init__(self, data):
        self.data = data
        sup = data[1024:2048]
        get = lambda o: struct.unpack_from("<I", sup, o)[0]
        self.block = 1024 << get(24)
        self.first, self.blocks = get(20), get(4)
        self.per_group, self.inodes_per_group = get(32), get(40)
        self.inodes = get(0)
        self.inode_size = 128
        if get(76):
            self.inode_size = struct.unpack_from("<H", sup, 88)[0]
        self.groups = -(-(self.blocks - self.first) // self.per_group)
        self.meta_bg = get(96) & 0x10
        self.places = []  # (offset, size, what)
        self.walk()

    def u32(self, offset):
        return struct.unpack_from("<I", self.data, offset)[0]

    def u16(self, offset):
        return struct.unpack_from("<H", self.data, offset)[0]

    def has_super(self, group):
        if not self.u32(1024 + 100) & 1 or group < 2:
            return True
        for base in (3, 5, 7):
            power = base
            while power < group:
                power *= base
            if power == group:
                return True
        return False

    def desc(self, group):
        per_block = self.block // 32
        index = group // per_block
        if self.meta_bg and index >= self.u32(1024 + 260):
            first = index * per_block
            block = self.first + first * self.per_group + self.has_super(first)
        else:
            block = self.first + 1 + index
        return block * self.block + group % per_block * 32

    def inode(self, number):
        group, at = divmod(number - 1, self.inodes_per_group)
        return (self.u32(self.desc(group) + 8) * self.block +
                at * self.inode_size)

    def pointers(self, offset, inode):
        """(block, level) of all blocks of an inode."""
        out = []

        def go(block, level):
            if block == 0:
                return
            out.append((block, level))
            if level:
                for i in range(0, self.block, 4):
                    go(self.u32(block * self.block + i), level - 1)
        for i in range(15):
            go(self.u32(offset + 40 + 4 * i), max(0, i - 11))
        return out

    def walk(self):
        add = lambda o, n, what: self.places.append((o, n, what))
        add(1024, 1024, "super")
        for group in range(self.groups):
            desc = self.desc(group)
            add(desc, 32, "descriptor")
            for at, what in ((0, "block bitmap"), (4, "inode bitmap")):
                add(self.u32(desc + at) * self.block, self.block, what)
        for number in range(1, self.inodes + 1):
            at = self.inode(number)
            links, mode = self.u16(at + 26), self.u16(at)
            if links == 0 and number > 16:
                continue
            add(at, self.inode_size, f"inode {number}")
            kind = mode >> 12
            if links == 0 or kind not in (4, 8, 10):
                continue
            if kind == 10 and self.u32(at + 28) == 0:
                continue
            acl = self.u32(at + 104)
            if acl:
                add(acl * self.block, self.block, "attributes")
            for block, level in self.pointers(at, number):
                if number == 7 and level != 2:
                    continue
                if level:
                    add(block * self.block, self.block, "indirect")
                elif kind == 4 and self.data[block * self.block + 8] == 0 and \
                        self.u16(block * self.block + 4) == self.block:
                    add(block * self.block, 64, "index node")
                elif kind == 4:
                    add(block * self.block, self.block, "names")


# ---- Damages --------------------------------------------------------------

SUPER_FIELDS = [(o, 4) for o in range(0, 52, 4)] + [
    (52, 2), (54, 2), (56, 2), (58, 2), (60, 2), (62, 2), (64, 4), (68, 4),
    (72, 4), (76, 4), (80, 2), (82, 2), (84, 4), (88, 2), (90, 2), (92, 4),
    (96, 4), (100, 4), (104, 4), (204, 1), (205, 1), (206, 2), (208, 4),
    (224, 4), (228, 4), (232, 4), (236, 4), (252, 1), (254, 2), (256, 4),
    (260, 4), (264, 4), (348, 2), (350, 2), (352, 4), (372, 1), (576, 4),
    (580, 4), (620, 4), (640, 4)]
INODE_FIELDS = [(0, 2), (2, 2), (4, 4), (8, 4), (12, 4), (16, 4), (20, 4),
                (24, 2), (26, 2), (28, 4), (32, 4), (36, 4)] + [
    (o, 4) for o in range(40, 116, 4)] + [
    (o, 2) for o in range(116, 136, 2)] + [(o, 4) for o in range(136, 200, 4)]


def values(old, size, rng):
    top = (1 << 8 * size) - 1
    out = {0, 1, 2, top, old ^ 1, (old + 1) & top, (old - 1) & top,
           old ^ (1 << rng.randrange(8 * size)), rng.randrange(top + 1),
           rng.randrange(2000) & top, top >> 1}
    out.discard(old)
    return sorted(out)


def damages_of_fields(image, rng):
    """Each field of each kind of structure: a sample of the values."""
    kinds = collections.defaultdict(list)
    for place in image.places:
        kinds[place[2]].append(place)
    for offset, size, what in image.places:
        if what == "super":
            fields = SUPER_FIELDS
        elif what == "descriptor":
            fields = [(0, 4), (4, 4), (8, 4), (12, 2), (14, 2), (16, 2),
                      (18, 2), (20, 4), (24, 4), (28, 2), (30, 2)]
        elif what.startswith("inode "):
            fields = [f for f in INODE_FIELDS if f[0] + f[1] <= size]
        elif what == "names":
            fields, at = [], 0
            while at < size:
                fields += [(at, 4), (at + 4, 2), (at + 6, 1), (at + 7, 1),
                           (at + 8, 1)]
                at += max(8, image.u16(offset + at + 4))
        elif what == "attributes":
            fields = [(o, 4) for o in range(0, 20, 4)]
            fields += [(32 + o, n) for o, n in
                       ((0, 1), (1, 1), (2, 2), (4, 4), (8, 4), (12, 4),
                        (16, 1))] + [(size - 4, 4)]
        else:
            fields = [(o, 4) for o in range(0, min(size, 40), 4)]
            fields.append((size - 4, 4))
        for at, count in fields:
            old = int.from_bytes(image.data[offset + at:offset + at + count],
                                 "little")
            for value in values(old, count, rng):
                yield [(offset + at, value.to_bytes(count, "little"))]


def damage_at_random(image, rng):
    out = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        what = rng.choice(sorted({p[2].split()[0] for p in image.places}))
        offset, size, _ = rng.choice(
            [p for p in image.places if p[2].split()[0] == what])
        count = rng.choice((1, 2, 4))
        at = offset + rng.randrange(0, size - count + 1)
        if rng.random() < 0.7:
            at -= at % count
        old = int.from_bytes(image.data[at:at + count], "little")
        value = rng.choice(values(old, count, rng))
        out.append((at, value.to_bytes(count, "little")))
    return out


def spell(damage):
    return ",".join(f"{at:x}={data.hex()}" for at, data in damage)


def parse(text):
    out = []
    for part in text.split(","):
        at, data = part.split("=")
        out.append((int(at, 16), bytes.fromhex(data)))
    return out


# ---- Comparing ------------------------------------------------------------

def tables():
    numbers, codes = {}, {}
    with open(f"{HERE}/problems.txt") as file:
        for line in file:
            if not line.startswith("#"):
                number, name = line.split()
                numbers[int(number, 16)] = name
    with open(f"{ROOT}/fs/ext2/check/codes.c") as file:
        text = file.read()
    for entry in re.findall(r'^    (?:PREEN|SERIOUS)\((\w+),(.*?")\),$',
                            text, re.MULTILINE | re.DOTALL):
        # The first string says what the code means.
        strings = " ".join(re.findall(r'"([^"]*)"', entry[1])[1:])
        codes[entry[0]] = set(strings.split())
    return numbers, codes


NUMBERS, CODES = tables()


class Verdict:
    def __init__(self, work, tool, image_path):
        log = image_path + ".log"
        mine = subprocess.run([tool, image_path], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
        if mine.returncode not in (0, 4, 8):
            raise SystemExit(f"{image_path}: torc-fsck ended with "
                             f"{mine.returncode}\n{mine.stdout.decode()}")
        self.mine_text = mine.stdout.decode()
        self.mine = set(re.findall(r"(?:preen|serious): (\w+)",
                                   self.mine_text))
        self.mine_status = mine.returncode
        try:
            theirs = subprocess.run(
                ["e2fsck", "-fn", "-E", f"problem_log={log}", image_path],
                env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=10)
            self.their_text = theirs.stdout.decode(errors="replace")
            self.their_status = theirs.returncode
        except subprocess.TimeoutExpired:
            # A tree of blocks that contains itself, for instance.
            self.their_text, self.their_status = "does not end", 8
        self.theirs = set()
        if os.path.exists(log):
            with open(log, errors="replace") as file:
                for number in re.findall(r'<problem code="(0x\w+)"',
                                         file.read()):
                    self.theirs.add(NUMBERS.get(int(number, 16), number))
            os.unlink(log)
        self.backup = "trying backup blocks" in self.their_text
        self.judge()

    def judge(self):
        refused = "unsupported feature" in self.their_text
        found = self.their_status != 0 or self.theirs or self.backup or refused
        self.agree = bool(found) == (self.mine_status != 0)
        self.missing = set()
        for problem in self.theirs:
            if not any(problem in CODES[code] for code in self.mine):
                self.missing.add(problem)
        self.extra = set()
        fatal = self.their_status & 8 or self.backup
        if not fatal:
            for code in self.mine:
                if not CODES[code] & self.theirs:
                    self.extra.add(code)
        self.excuse()

    def excuse(self):
        """Problems that only follow from others that both have found."""
        self.follows = set()
        if self.mine_status == 8 and self.agree or \
                "0_CHECK_DESC_FAILED" in self.theirs - self.missing:
            # Not looked at, or with the backup of the descriptors.
            self.follows |= self.missing
        if "BLOCK_SHARED" in self.mine:
            # Such a block is read once; e2fsck reads it for each claim.
            self.follows |= self.missing
        if "XATTR_LAYOUT" in self.mine:
            # Attributes behind the first wrong one are not looked at.
            self.follows |= {p for p in self.missing if "_ATTR_" in p or
                             "_EA_" in p}
        if "ENTRY_UNUSED" in self.mine:
            # What is not in use has no type.
            self.follows |= {p for p in self.missing if "_FILETYPE" in p}
        if "BAD_BLOCKS_BAD" in self.mine:
            # e2fsck believes the list, and keeps away from the blocks.
            self.follows |= self.missing
        if self.mine & {"DIR_HOLE", "INDEX_ROOT"}:
            # A hole has no hashes; such an index is not looked at.
            self.follows |= {p for p in self.missing if "2_HTREE_" in p}
        if "1_ATTR_VALUE_EA_INODE" in self.theirs:
            # e2fsck counts blocks of a value that is not there.
            self.follows |= self.missing
        if self.mine and "0_JOURNAL_BAD_INODE" in self.missing:
            # e2fsck does not go on behind it.
            self.follows |= self.missing
        self.missing -= self.follows


def compare_one(job):
    work, tool, name, path, damage = job
    here = f"{work}/{os.getpid()}.img"
    with open(path, "rb") as file:
        data = bytearray(file.read())
    for at, new in damage:
        data[at:at + len(new)] = new
    with open(here, "wb") as file:
        file.write(data)
    return name, damage, Verdict(work, tool, here)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--count", type=int, default=300,
                        help="damages of each shape, half of them by field")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--shape", action="append")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--replay")
    parser.add_argument("--keep")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="torc_fsck_", dir="/dev/shm"
                            if os.path.isdir("/dev/shm") else None)
    # It may be built anew meanwhile.
    args.tool = shutil.copy(args.tool, f"{work}/torc-fsck")
    try:
        return compare(args, work)
    finally:
        shutil.rmtree(work)


def compare(args, work):
    rng = random.Random(args.seed)
    if args.replay:
        name, damage = args.replay.split(":")
        data = image_make(work, name)
        _, _, verdict = compare_one(
            (work, args.tool, name, f"{work}/{name}.img", parse(damage)))
        print(verdict.mine_text, verdict.their_text)
        print("mine", sorted(verdict.mine), "theirs", sorted(verdict.theirs),
              "missing", sorted(verdict.missing), "extra",
              sorted(verdict.extra))
        if args.keep:
            for at, new in parse(damage):
                data[at:at + len(new)] = new
            with open(args.keep, "wb") as file:
                file.write(data)
        return 0
    jobs = []
    for name in args.shape or SHAPES:
        data = image_make(work, name)
        image = Image(data)
        path = f"{work}/{name}.img"
        fields = list(damages_of_fields(image, rng))
        rng.shuffle(fields)
        jobs.append((work, args.tool, name, path, []))
        for damage in fields[:args.count // 2]:
            jobs.append((work, args.tool, name, path, damage))
        for _ in range(args.count - args.count // 2):
            jobs.append((work, args.tool, name, path,
                         damage_at_random(image, rng)))
    rows = collections.defaultdict(collections.Counter)
    why = collections.Counter()
    bad = 0
    with concurrent.futures.ProcessPoolExecutor(args.jobs) as pool:
        for name, damage, verdict in pool.map(compare_one, jobs, chunksize=8):
            row = rows[name]
            row["images"] += 1
            row["clean"] += verdict.mine_status == 0 and verdict.agree
            row["agree"] += verdict.agree
            row["codes"] += verdict.agree and not verdict.missing
            row["more"] += bool(verdict.extra)
            why["e2fsck does not end"] += verdict.their_text == "does not end"
            for code in verdict.extra:
                why["only torc-fsck: " + code] += 1
            for problem in verdict.missing:
                why["only e2fsck: " + problem] += 1
            if not verdict.agree or verdict.missing or \
                    (args.show and verdict.extra):
                bad += not verdict.agree
                print(f"{name}:{spell(damage)} mine {sorted(verdict.mine)} "
                      f"({verdict.mine_status}) theirs "
                      f"{sorted(verdict.theirs)} ({verdict.their_status})"
                      f"{'' if verdict.agree else ' DISAGREE'} missing "
                      f"{sorted(verdict.missing)} extra "
                      f"{sorted(verdict.extra)}")
    print(f"{'shape':10} images clean agree codes more")
    for name, row in rows.items():
        print(f"{name:10} {row['images']:6} {row['clean']:5} {row['agree']:5} "
              f"{row['codes']:5} {row['more']:4}")
    for text, count in why.most_common():
        print(f"{count:5} {text}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
