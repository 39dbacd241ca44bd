#!/usr/bin/env python3
"""What a tree is: a line for each file, in the order of their paths.

    tree_manifest.py DIR                print it; lost+found is left out
    tree_manifest.py --attributes DIR   give some of its files extended attributes
"""
import hashlib
import os
import stat
import struct
import sys

EVERYBODY = 0xFFFFFFFF


def attributes(root):
    """On files that the tree of run.sh has."""
    entries = [(1, 7, EVERYBODY), (2, 7, 1234), (4, 5, EVERYBODY), (8, 4, 99),
               (16, 7, EVERYBODY), (32, 4, EVERYBODY)]
    acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries)
    os.setxattr(root + '/size-0', 'user.note', b'hello')
    os.setxattr(root + '/size-1024', 'user.big', b'q' * 600)
    os.setxattr(root + '/size-1024', 'user.empty', b'')
    os.setxattr(root + '/size-65536', 'system.posix_acl_access', acl)
    os.setxattr(root + '/many', 'system.posix_acl_default', acl)


def content(path, info):
    mode = info.st_mode
    if stat.S_ISREG(mode):
        with open(path, 'rb') as file:
            return hashlib.sha256(file.read()).hexdigest()
    if stat.S_ISLNK(mode):
        return os.readlink(path)
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return '%d:%d' % (os.major(info.st_rdev), os.minor(info.st_rdev))
    return ''


def describe(root, path, first_names):
    info = os.lstat(path)
    name = os.path.relpath(path, root)
    is_dir = stat.S_ISDIR(info.st_mode)
    names = [(key, os.getxattr(path, key, follow_symlinks=False))
             for key in sorted(os.listxattr(path, follow_symlinks=False))]
    links = info.st_nlink
    if is_dir:
        links = 2 + sum(entry.is_dir(follow_symlinks=False) and entry.name != b'lost+found'
                        for entry in os.scandir(path))
        # That the volume counts the same is e2fsck's to say.
    return (name, oct(info.st_mode), info.st_uid, info.st_gid, links, info.st_mtime_ns,
            None if is_dir else info.st_size, content(path, info), names,
            first_names.setdefault(info.st_ino, name))


def main():
    if sys.argv[1] == '--attributes':
        attributes(sys.argv[2])
        return
    root = sys.argv[1].encode()
    paths = [root]
    for place, dirs, files in os.walk(root):
        if place == root and b'lost+found' in dirs:
            dirs.remove(b'lost+found')
        paths += [os.path.join(place, name) for name in dirs + files]
    first_names = {}
    for path in sorted(paths):
        print(*describe(root, path, first_names))


main()
