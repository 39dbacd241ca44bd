#!/usr/bin/env python3
"""A server of NTP whose clock is wrong on purpose.

ntp_server.py ADDRESS OFFSET [KISS]
  ADDRESS  to listen on, port 123
  OFFSET   seconds that its clock is ahead
  KISS     the first answer is that kiss of death: RATE, DENY, ...

Prints a line for each question.
"""
import socket
import struct
import sys
import time

SINCE_1900 = 2208988800


def stamp(seconds):
    whole = int(seconds)
    return struct.pack('>II', (whole + SINCE_1900) & 0xffffffff,
                       int((seconds - whole) * 2**32))


def main():
    address, offset = sys.argv[1], float(sys.argv[2])
    kiss = sys.argv[3].encode() if len(sys.argv) > 3 else None
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 123))
    print('ready', flush=True)
    while True:
        question, client = server.recvfrom(2000)
        came = time.time() + offset
        print('question from', client[0], len(question), 'bytes', flush=True)
        if len(question) < 48 or question[0] & 7 != 3:
            continue
        stratum, reference = (0, kiss) if kiss else (2, b'LOCL')
        kiss = None
        head = bytes([0x24, stratum, 6, 0xec]) + bytes(8) + reference
        server.sendto(head + stamp(came - 10) + question[40:48] + stamp(came) +
                      stamp(time.time() + offset), client)


main()
