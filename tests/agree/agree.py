#!/usr/bin/env python3
"""Do Linux and we agree on trees of files? docs/agree.md.

    agree.py [--seeds N] [--first S] [--jobs J] [--keep DIR] TREES

TREES is build/VARIANT/agree/trees. Each seed makes an image with features that
it draws, and lets Linux (by a loop mount) and us change it by turns. Needs
root; where loop mounts do not work it says so, and ends with status 77.
"""
import argparse
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

ENV = dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin",
           LC_ALL="C", MKE2FS_CONFIG="/dev/null")
SKIPPED = 77


class Disagree(Exception):
    pass


def run(*command, fine=(0,), out=None):
    """Runs it; its output as bytes, or written to the file `out`."""
    done = subprocess.run(command, env=ENV, stdin=subprocess.DEVNULL,
                          stdout=open(out, "wb") if out else subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=600)
    text = open(out, "rb").read() if out else done.stdout
    if done.returncode not in fine:
        raise Disagree(f"{' '.join(command)}: status {done.returncode}\n"
                       + text[-3000:].decode(errors="replace"))
    return text


def only_types(image):
    """Without the feature filetype Linux does not clear that byte of "." and
    "..". It means nothing: whether e2fsck complains of nothing else."""
    harmless = ("e2fsck ", "Pass ", "has filetype set", "Clear? no",
                "Filesystem still has errors", " files (")
    text = run("e2fsck", "-fn", image, fine=(0, 4)).decode(errors="replace")
    return all(any(word in line for word in harmless)
               for line in text.splitlines() if line.strip())


# ---- Images ---------------------------------------------------------------

class Shape:
    """What a seed's image is: options of mke2fs, and what may be done."""

    def __init__(self, rng):
        self.block = rng.choice((1024, 1024, 2048, 4096))
        self.kib = rng.choice((8, 16, 24, 40)) * 1024
        self.inode = rng.choice((128, 128, 256, 256, 256, 512, 1024))
        self.inode = min(self.inode, self.block)
        self.inodes = rng.choice((1000, 3000, 8000))
        self.type, self.features, self.more = "ext2", [], []
        # What is only read: one in four.
        self.kind = rng.choice(("twins", "twins", "turns", "read"))
        if self.kind == "read":
            self.ext4(rng)
        elif rng.random() < 0.06:
            # Linux sets attributes there, too, and e2fsck complains.
            self.kind, self.inode = "twins", 128
            self.more = ["-r", "0"]
            self.features = []
        else:
            self.ext2(rng)
        # The tables of inodes leave room.
        while self.inodes * self.inode / (self.kib * 1024) > 0.25:
            self.inodes //= 2

    def either(self, rng, *names):
        for name in names:
            self.features.append(rng.choice(("", "^")) + name)

    def groups(self, rng):
        """Blocks of a group: few, so that there are many groups."""
        if rng.random() < 0.5:
            count = rng.choice((256, 512, 1024, 2048, 4096))
            count = min(count, self.block * 8)
            while self.kib * 1024 / self.block / count > 250:
                count *= 2
            self.more += ["-g", str(count)]

    def ext2(self, rng):
        self.features = ["filetype", "dir_index", "sparse_super", "ext_attr",
                         "large_file", "resize_inode"]
        self.either(rng, "dir_index", "resize_inode")
        for name in ("filetype", "sparse_super", "large_file"):
            if rng.random() < 0.2:
                self.features.append("^" + name)
        if "^sparse_super" in self.features:
            self.features.append("^resize_inode")
        if rng.random() < 0.25:
            self.features += ["meta_bg", "^resize_inode"]
        if rng.random() < 0.2:
            self.features += ["sparse_super2", "^sparse_super",
                              "^resize_inode"]
            self.more += ["-E", f"num_backup_sb={rng.randrange(3)}"]
        if rng.random() < 0.15 and self.kib > 8192:
            self.type = "ext3"
            self.features.append("has_journal")
            self.more += ["-J", "size=4" if self.block > 1024 else "size=1"]
        self.groups(rng)

    def ext4(self, rng):
        self.type = "ext4"
        self.inode = max(self.inode, 256)
        self.features = ["filetype", "dir_index", "sparse_super", "ext_attr",
                         "large_file", "extra_isize"]
        self.either(rng, "extent", "extent", "flex_bg", "64bit", "huge_file",
                    "dir_nlink", "inline_data", "large_dir", "dir_index",
                    "ea_inode", "resize_inode")
        self.features.append(rng.choice(
            ("metadata_csum", "metadata_csum,metadata_csum_seed", "uninit_bg",
             "^metadata_csum")))
        on = {f: not f.startswith("^") for f in self.features}
        extent = [f for f in self.features if f.lstrip("^") == "extent"][-1]
        if extent.startswith("^"):
            self.features.append("^64bit")
            self.features.append("^inline_data")
        if rng.random() < 0.5 and self.kib > 8192:
            self.features.append("has_journal")
            self.more += ["-J", "size=4" if self.block > 1024 else "size=1"]
            if rng.random() < 0.2:
                self.features.append("orphan_file")
        if rng.random() < 0.2:
            self.features += ["meta_bg", "^resize_inode"]
        if rng.random() < 0.1 and extent == "extent":
            self.features += ["bigalloc"]
            self.more += ["-C", str(self.block * rng.choice((2, 16)))]
        else:
            self.groups(rng)

    def hash(self, rng):
        return rng.choice(("legacy", "half_md4", "tea"))

    def options(self, rng):
        # The last word on each feature counts.
        last = {}
        for feature in ",".join(self.features).split(","):
            last[feature.lstrip("^")] = feature
        return ["-t", "ext4" if self.type == "ext4" else "ext2",
                "-b", str(self.block), "-I", str(self.inode),
                "-N", str(self.inodes), "-m", str(rng.choice((0, 5))),
                "-O", "none," + ",".join(f for f in last.values()
                                         if not f.startswith("^")),
                *self.more]


# ---- A seed ---------------------------------------------------------------

class Seed:
    def __init__(self, number, trees, work):
        self.number, self.trees = number, trees
        self.rng = random.Random(number)
        self.work = work
        self.log = []
        self.shape = Shape(self.rng)
        self.place = f"{work}/mnt"
        os.makedirs(self.place, exist_ok=True)
        self.rounds = 0
        self.paths = self.changes = 0

    def say(self, *words):
        self.log.append(" ".join(map(str, words)))

    def mkfs(self, image):
        options = self.shape.options(self.rng)
        self.say("mke2fs", *options, f"{self.shape.kib}k")
        run("mke2fs", "-q", "-F", *options, image, f"{self.shape.kib}k")
        if self.rng.random() < 0.3 and self.shape.more[:1] != ["-r"]:
            run("tune2fs", "-E", "hash_alg=" + self.shape.hash(self.rng),
                image)

    # The two sides: each changes an image, or lists it.
    def linux(self, image, *words, read_only=False):
        how = "loop,ro" if read_only else "loop,noatime"
        run("mount", "-t", self.shape.type, "-o", how, image, self.place)
        try:
            return run(self.trees, "linux", self.place, *words)
        finally:
            run("umount", self.place)

    def torc(self, image, *words, type="ext2"):
        return run(self.trees, "torc", f"{image}:{type}", *words)

    def change_words(self, seed, more=""):
        free = self.shape.kib * 1024
        return ["change", str(seed), str(self.rng.randrange(40, 300)),
                str(free // 6), str(min(self.shape.inodes // 2, 3000)),
                ("" if "-r" in self.shape.more else "xl") + more + "-"]

    def fsck(self, image, who):
        try:
            run("e2fsck", "-fn", image)
        except Disagree as error:
            if not self.is_typeless() or not only_types(image):
                raise Disagree(f"e2fsck after changes of {who}: {error}")

    def is_typeless(self):
        return "^filetype" in self.shape.features or "-r" in self.shape.more

    def list_all(self, image):
        """What Linux says is there; and we must say the same."""
        theirs = self.linux(image, "list", read_only=True)
        self.paths += theirs.count(b"\n")
        types = ["ext4"]
        if self.shape.kind != "read":
            types.append("ext2")
        for type in types:
            plain = without_acls(theirs)
            mine = self.torc(image, "list", type=type)
            if type == "ext4":  # which offers neither
                mine, plain = (without_volume(without_xattrs(text))
                               for text in (mine, plain))
            compare(f"Linux and we (as {type}) see {image}", plain, mine)
        return theirs

    def run(self):
        image = f"{self.work}/x.img"
        self.mkfs(image)
        getattr(self, self.shape.kind)(image)

    def twins(self, x):
        """Both do the same to two images of one tree, and change places."""
        y = f"{self.work}/y.img"
        run("cp", "--sparse=always", x, y)
        for turn in range(2):
            words = self.change_words(self.number * 100 + turn) + ["list"]
            theirs, ours = self.linux(x, *words), self.torc(y, *words)
            self.changes += 2
            compare(f"turn {turn}: what changes do", same_of(theirs),
                    same_of(ours))
            self.fsck(x, "Linux")
            self.fsck(y, "us")
            lists = [self.list_all(x), self.list_all(y)]
            compare(f"turn {turn}: what is there then", same_of(lists[0]),
                    same_of(lists[1]))
            # Blocks have their places only when they are written.
            compare(f"turn {turn}: what we saw before the unmount",
                    without_blocks(lists[1]),
                    without_blocks(listing_of(ours)))
            x, y = y, x

    def turns(self, image):
        """One image that is changed by turns; with what only one offers."""
        before = None
        for turn in range(4):
            # ACLs are what only Linux offers.
            words = self.change_words(self.number * 100 + turn,
                                      "a" if turn % 2 == 0 else "")
            if turn % 2 == 0:
                self.linux(image, *words)
            else:
                self.torc(image, *words)
            self.changes += 1
            self.fsck(image, "us" if turn % 2 else "Linux")
            after = self.list_all(image)
            if turn % 2:
                acls_kept(before, after)
            before = after

    def read(self, image):
        """What Linux writes and we only read."""
        for turn in range(2):
            words = self.change_words(self.number * 100 + turn, "a")
            self.linux(image, *words)
            self.changes += 1
            self.fsck(image, "Linux")
            self.list_all(image)


# ---- Comparing ------------------------------------------------------------

ACL = re.compile(rb" x:system\.posix_acl_\w+=\S+")


def without_acls(text):
    return ACL.sub(b"", text)


def without_xattrs(text):
    return re.sub(rb" x:[^ =\n]*[^ \n]*", b"", text)


def without_volume(text):
    return re.sub(rb"\nvolume .*\n", b"\n", text)


def without_blocks(text):
    return without_volume(re.sub(rb" !blocks=\d+", b"", text))


def same_of(text):
    """Without what may differ in two images of the same tree."""
    return re.sub(rb" ![^ \n]+", b"", text)


def listing_of(text):
    """Without the changes above it."""
    return text[text.rfind(b"\n/ d ") + 1:]


def compare(what, theirs, ours):
    """The first line that differs, and what of it."""
    if theirs == ours:
        return
    theirs, ours = theirs.split(b"\n"), ours.split(b"\n")
    at = 0
    while at < min(len(theirs), len(ours)) and theirs[at] == ours[at]:
        at += 1
    lines = [f"{what}: line {at}"]
    a, b = (side[at] if at < len(side) else b"" for side in (theirs, ours))
    words = set(a.split(b" ")) & set(b.split(b" "))
    lines.append("  both:  " + text_of(b" ".join(
        word for word in a.split(b" ") if word in words)))
    for name, line in (("Linux", a), ("we", b)):
        lines.append(f"  {name + ':':7}" + text_of(b" ".join(
            word for word in line.split(b" ") if word not in words)))
    raise Disagree("\n".join(lines))


def text_of(data):
    return data[:700].decode(errors="replace")


def acls_kept(before, after):
    """We do not offer ACLs, but they stay: the same path, the same inode."""
    def table(text):
        out = {}
        for line in text.split(b"\n"):
            number = re.search(rb" !inode=(\d+)", line)
            if number:
                out[line.split(b" ")[0], number[1]] = ACL.findall(line)
        return out
    old = table(before)
    for key, acls in table(after).items():
        if key in old and old[key] != acls:
            raise Disagree(f"the ACLs of {key[0].decode()} were {old[key]} "
                           f"and are {acls}")


# ---- All of them ----------------------------------------------------------

def seed_run(args, number, work):
    place = tempfile.mkdtemp(prefix=f"{number}.", dir=work)
    seed = Seed(number, args.trees, place)
    problem = None
    try:
        seed.run()
    except (Disagree, subprocess.TimeoutExpired) as error:
        problem = f"seed {number} ({seed.shape.kind}): {error}\n  " + \
            "\n  ".join(seed.log)
        if args.keep:
            shutil.copytree(place, f"{args.keep}/{number}",
                            dirs_exist_ok=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return seed, problem


def cannot(work):
    """Why there are no loop mounts here, or None."""
    if os.geteuid() != 0:
        return "only root may mount"
    try:
        run("mke2fs", "-q", "-F", "-t", "ext2", f"{work}/probe.img", "1024k")
        os.makedirs(f"{work}/probe", exist_ok=True)
        run("mount", "-t", "ext2", "-o", "loop", f"{work}/probe.img",
            f"{work}/probe")
        run("umount", f"{work}/probe")
    except Disagree as error:
        return str(error).strip().split("\n")[-1]
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trees")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep")
    args = parser.parse_args()
    # What is mounted goes with this process, however it ends.
    if "AGREE_UNSHARED" not in os.environ and os.geteuid() == 0:
        os.environ["AGREE_UNSHARED"] = "1"
        try:
            os.execvp("unshare", ["unshare", "--mount", "--propagation",
                                  "private", sys.executable] + sys.argv)
        except OSError:
            pass
    work = tempfile.mkdtemp(prefix="torc_agree_", dir="/dev/shm"
                            if os.path.isdir("/dev/shm") else None)
    try:
        args.trees = shutil.copy(args.trees, f"{work}/trees")
        why = cannot(work)
        if why:
            print(f"agree: {args.seeds} skipped: {why}")
            return SKIPPED
        return seeds_run(args, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def seeds_run(args, work):
    failed, kinds, paths, changes = 0, {}, 0, 0
    numbers = range(args.first, args.first + args.seeds)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for seed, problem in pool.map(
                lambda number: seed_run(args, number, work), numbers):
            kinds[seed.shape.kind] = kinds.get(seed.shape.kind, 0) + 1
            paths += seed.paths
            changes += seed.changes
            if problem:
                failed += 1
                print(problem, flush=True)
    print(", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
          + f"; {changes} times changed, {paths} paths compared")
    print(f"agree: {args.seeds - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
