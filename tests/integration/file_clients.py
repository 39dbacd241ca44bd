#!/usr/bin/env python3
"""Clients of a file system, each a thread with a directory of its own.

    file_clients.py DIR SEED THREADS OPERATIONS

Each does random operations, knows what its files must hold, and looks. In one more
directory all of them make, rename and remove the same names.
"""
import os
import random
import sys
import threading

NAMES = 30


class Client:
    def __init__(self, base, seed, number):
        self.random = random.Random(seed * 1000 + number)
        self.dir = f"{base}/client{number}"
        self.shared = f"{base}/shared"
        self.files = {}  # name: what it holds
        os.mkdir(self.dir)

    def path(self, name):
        return f"{self.dir}/{name}"

    def any_name(self):
        return f"f{self.random.randrange(NAMES)}"

    def make(self, name):
        data = self.random.randbytes(self.random.choice([0, 1, 100, 4096, 5000, 70000]))
        with open(self.path(name), "wb") as file:
            file.write(data)
        self.files[name] = data

    def read(self, name):
        with open(self.path(name), "rb") as file:
            assert file.read() == self.files[name], name

    def unlink(self, name):
        os.unlink(self.path(name))
        del self.files[name]

    def rename(self, name):
        to = self.any_name()
        os.rename(self.path(name), self.path(to))
        self.files[to] = self.files.pop(name)

    def write_in(self, name):
        at = self.random.randrange(100000)
        data = self.random.randbytes(self.random.randrange(1, 9000))
        fd = os.open(self.path(name), os.O_RDWR)
        os.pwrite(fd, data, at)
        os.close(fd)
        old = self.files[name].ljust(at, b"\0")
        self.files[name] = old[:at] + data + old[at + len(data):]

    def truncate(self, name):
        size = self.random.randrange(90000)
        os.truncate(self.path(name), size)
        self.files[name] = self.files[name][:size].ljust(size, b"\0")

    def list(self, _name):
        assert sorted(os.listdir(self.dir)) == sorted(self.files)

    def share(self, name):
        path = f"{self.shared}/{name}"
        try:
            which = self.random.randrange(4)
            if which == 0:
                with open(path, "w") as file:
                    file.write("x" * self.random.randrange(5000))
            elif which == 1:
                os.unlink(path)
            elif which == 2:
                os.rename(path, f"{self.shared}/{self.any_name()}")
            else:
                os.stat(path)
        except FileNotFoundError:
            pass  # another client has removed it

    def run(self, count):
        for _ in range(count):
            name = self.any_name()
            operation = self.random.choice(
                [self.make, self.make, self.read, self.unlink, self.rename, self.write_in,
                 self.truncate, self.list, self.share])
            if name in self.files or operation in (self.make, self.list, self.share):
                operation(name)
        for name in self.files:
            self.read(name)
            assert os.stat(self.path(name)).st_size == len(self.files[name])


def main():
    base, seed, threads, count = sys.argv[1], *map(int, sys.argv[2:])
    os.mkdir(f"{base}/shared")
    errors = []

    def run(number):
        try:
            Client(base, seed, number).run(count)
        except Exception as error:
            errors.append(f"client {number}: {error!r}")

    workers = [threading.Thread(target=run, args=(i,)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print("\n".join(errors) or f"{threads} clients, {count} operations each")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
