#!/usr/bin/env python3
"""The host's side of vsock, for machines under test: what vhost-vsock of Linux is, as a
process, with Unix sockets in place of its AF_VSOCK, in Firecracker's manner.

  host.py [--cid N] [--random SEED] --vhost-user SOCKET PATH    for QEMU's
      -device vhost-user-vsock-pci, with the machine's memory shared
  host.py [--cid N] [--random SEED] --datagrams OWN,PEER PATH    for a hosted machine

A program of the host connects to PATH and says "CONNECT PORT\\n"; when the machine has
accepted, the answer is "OK PORT\\n", and then the bytes are the connection's. When the
machine connects to port N of CID 2, that is a connection to PATH_N. The end of one's
data goes over as the end of that direction.

With --random, credit and lengths are drawn, small ones among them. Prints "ready" when it
listens. Written from VIRTIO 1.2, section 5.10, and the vhost-user protocol.
"""
import argparse
import array
import mmap
import os
import random
import select
import socket
import struct
import sys

HEADER = struct.Struct("<QQIIIHHIII")
REQUEST, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST = range(1, 8)
SHUT_RECEIVE, SHUT_SEND = 1, 2
HOST_CID = 2
BUFFER = 256 * 1024
EVENTS = select.POLLIN


# ---- Connections -------------------------------------------------------------------


class Connection:
    """Between a Unix socket and a port of the machine."""

    def __init__(self, mux, stream, host_port, guest_port):
        self.mux, self.stream = mux, stream
        self.host_port, self.guest_port = host_port, guest_port
        self.is_open = False
        self.answers_ok = False
        self.tx_cnt = self.peer_alloc = self.peer_fwd = 0  # to the machine
        self.rx_cnt = self.fwd_cnt = self.told = 0  # from it
        self.pending = bytearray()  # to the program
        self.shut = self.peer_shut = 0
        self.buffer = mux.draw(2048, BUFFER) if mux.random else BUFFER
        stream.setblocking(False)

    def send(self, op, flags=0, data=b""):
        self.told = self.fwd_cnt
        self.mux.send(self.host_port, self.guest_port, op, flags, data, self.buffer,
                      self.fwd_cnt)

    def credit(self):
        return self.peer_alloc - (self.tx_cnt - self.peer_fwd & 0xffffffff)

    def events(self):
        """What of its Unix socket is of interest now."""
        wanted = 0
        if self.is_open and not self.shut & SHUT_SEND and self.credit() > 0 and \
                not self.mux.is_busy():
            wanted |= select.POLLIN
        if self.pending:
            wanted |= select.POLLOUT
        return wanted

    def on_readable(self):
        size = min(self.credit(), self.mux.data_max)
        if self.mux.random:
            size = self.mux.draw(1, size)
        try:
            data = self.stream.recv(size)
        except ConnectionError:
            data = b""
        if data:
            self.send(RW, 0, data)
            self.tx_cnt = self.tx_cnt + len(data) & 0xffffffff
        else:
            self.shut |= SHUT_SEND
            self.send(SHUTDOWN, SHUT_SEND)
            self.end_if_over()

    def on_writable(self):
        try:
            done = self.stream.send(self.pending)
        except ConnectionError:
            self.send(RST)
            self.mux.forget(self)
            return
        del self.pending[:done]
        self.fwd_cnt = self.fwd_cnt + done & 0xffffffff
        if self.fwd_cnt - self.told & 0xffffffff > self.buffer // 2 or not self.pending:
            self.send(CREDIT_UPDATE)
        self.end_if_over()

    def end_if_over(self):
        """The program sees the end behind the last byte."""
        if self.pending or not self.peer_shut & SHUT_SEND:
            return
        if self.peer_shut == SHUT_SEND | SHUT_RECEIVE or self.shut & SHUT_SEND:
            self.send(RST)
            self.mux.forget(self)
        elif not self.shut & SHUT_RECEIVE:
            self.shut |= SHUT_RECEIVE
            self.stream.shutdown(socket.SHUT_WR)

    def on_packet(self, op, flags, data, alloc, fwd):
        self.peer_alloc, self.peer_fwd = alloc, fwd
        if op == RESPONSE:
            self.is_open = True
            self.stream.send(b"OK %d\n" % self.host_port)
        elif op == RST:
            self.mux.forget(self)
        elif op == SHUTDOWN:
            self.peer_shut |= flags
            self.end_if_over()
        elif op == RW:
            self.rx_cnt = self.rx_cnt + len(data) & 0xffffffff
            if self.rx_cnt - self.fwd_cnt & 0xffffffff > self.buffer:
                sys.exit("host.py: the machine sends more than its credit")
            self.pending += data
        elif op == CREDIT_REQUEST:
            self.send(CREDIT_UPDATE)
        elif op != CREDIT_UPDATE:
            sys.exit(f"host.py: operation {op} on a connection")


class Mux:
    """All connections; `wire` carries packets."""

    def __init__(self, wire, path, cid, seed):
        self.wire, self.path, self.cid = wire, path, cid
        self.random = random.Random(seed) if seed is not None else None
        self.data_max = wire.data_max
        self.connections = {}  # by (host port, guest port)
        self.greeting = {}  # of programs that have not said their port: what they said
        self.next_port = 0x40000000
        self.listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        self.listener.bind(path)
        self.listener.listen(64)

    def draw(self, low, high):
        """A number, small or large."""
        if self.random.random() < 0.5:
            return high
        return self.random.randint(low, min(high, low + (1 << self.random.randint(0, 17))))

    def is_busy(self):
        return len(self.wire.queue) > 64

    def send(self, host_port, guest_port, op, flags=0, data=b"", alloc=0, fwd=0):
        header = HEADER.pack(HOST_CID, self.cid, host_port, guest_port, len(data), 1, op,
                             flags, alloc, fwd)
        self.wire.send(header + data)

    def forget(self, connection):
        self.connections.pop((connection.host_port, connection.guest_port), None)
        connection.stream.close()

    def on_packet(self, packet):
        src, dst, sport, dport, size, kind, op, flags, alloc, fwd = HEADER.unpack_from(packet)
        data = packet[HEADER.size:]
        if src != self.cid or size != len(data) or kind != 1:
            sys.exit("host.py: a packet that cannot be")
        connection = self.connections.get((dport, sport)) if dst == HOST_CID else None
        if connection:
            connection.on_packet(op, flags, data, alloc, fwd)
        elif op == REQUEST and dst == HOST_CID:
            self.on_request(dport, sport, alloc, fwd)
        elif op != RST:
            self.send(dport, sport, RST)

    def on_request(self, host_port, guest_port, alloc, fwd):
        stream = socket.socket(socket.AF_UNIX)
        try:
            stream.connect(f"{self.path}_{host_port}")
        except OSError:
            stream.close()
            self.send(host_port, guest_port, RST)
            return
        connection = Connection(self, stream, host_port, guest_port)
        connection.peer_alloc, connection.peer_fwd = alloc, fwd
        connection.tx_cnt = fwd
        connection.is_open = True
        self.connections[host_port, guest_port] = connection
        connection.send(RESPONSE)

    def on_greeting(self, stream):
        """A program says where it wants to; bytes behind the line are the stream's."""
        try:
            byte = stream.recv(1)
        except ConnectionError:
            byte = b""
        said = self.greeting[stream] + byte
        self.greeting[stream] = said
        if byte and len(said) < 32 and byte != b"\n":
            return
        del self.greeting[stream]
        words = said.split()
        if len(words) != 2 or words[0] != b"CONNECT" or not words[1].isdigit():
            stream.close()
            return
        self.next_port += 1
        connection = Connection(self, stream, self.next_port, int(words[1]))
        self.connections[connection.host_port, connection.guest_port] = connection
        connection.send(REQUEST)

    def poll(self):
        """What to wait for, and who is called."""
        calls = {self.listener.fileno(): (select.POLLIN, self.on_listener)}
        for stream in self.greeting:
            calls[stream.fileno()] = (select.POLLIN, lambda _, s=stream: self.on_greeting(s))
        for connection in list(self.connections.values()):
            wanted = connection.events()
            if wanted:
                calls[connection.stream.fileno()] = (
                    wanted, lambda got, c=connection: self.on_stream(c, got))
        calls.update(self.wire.poll())
        return calls

    def on_listener(self, _):
        stream, _ = self.listener.accept()
        self.greeting[stream] = b""

    @staticmethod
    def on_stream(connection, got):
        if got & select.POLLOUT:
            connection.on_writable()
        elif got:
            connection.on_readable()

    def run(self):
        while self.wire.is_there:
            calls = self.poll()
            poll = select.poll()
            for fd, (wanted, _) in calls.items():
                poll.register(fd, wanted)
            for fd, got in poll.poll(1000):
                calls[fd][1](got)
            for packet in self.wire.receive():
                self.on_packet(packet)


# ---- A hosted machine: each datagram is a packet -----------------------------------


class Datagrams:
    data_max = 1470 - 64

    def __init__(self, own, peer):
        self.is_there, self.queue, self.peer = True, [], peer
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if os.path.exists(own):
            os.unlink(own)
        self.socket.bind(own)
        self.socket.setblocking(False)

    def send(self, packet):
        self.queue.append(packet)
        self.flush()

    def flush(self):
        while self.queue:
            try:
                self.socket.sendto(self.queue[0], self.peer)
            except BlockingIOError:
                return
            except OSError:
                pass  # nobody is there: it is lost
            self.queue.pop(0)

    def poll(self):
        wanted = select.POLLIN | (select.POLLOUT if self.queue else 0)
        return {self.socket.fileno(): (wanted, lambda _: self.flush())}

    def receive(self):
        for _ in range(64):
            try:
                yield self.socket.recv(65536)
            except BlockingIOError:
                return


# ---- QEMU: vhost-user --------------------------------------------------------------

(GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR,
 SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR,
 GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE,
 GET_CONFIG) = (1, 2, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 24)
F_INDIRECT, F_PROTOCOL, F_VERSION_1 = 1 << 28, 1 << 30, 1 << 32
PROTOCOL_REPLY_ACK, PROTOCOL_CONFIG = 1 << 3, 1 << 9
IS_REPLY, NEED_REPLY = 4, 8
DESC_NEXT, DESC_WRITE, DESC_INDIRECT = 1, 2, 4
RX, TX = 0, 1


class Ring:
    """A split virtqueue (VIRTIO 1.2, section 2.7), from the device's side. An index is read
    and written as a whole: with "<H" Python moves single bytes."""

    def __init__(self):
        self.size = self.next = self.used = 0
        self.desc = self.avail = self.used_at = None  # (memory, offset)
        self.kick = self.call = None
        self.is_enabled = False

    def is_ready(self):
        return self.size > 0 and self.kick is not None and self.used_at is not None

    def has_more(self):
        memory, at = self.avail
        return struct.unpack_from("H", memory, at + 2)[0] != self.next

    def take(self, reach):
        """Returns the head of the next chain and its pieces: (memory, offset, length,
        whether it is to be written)."""
        memory, at = self.avail
        head = struct.unpack_from("<H", memory, at + 4 + 2 * (self.next % self.size))[0]
        self.next = self.next + 1 & 0xffff
        (table, base), size, index, pieces = self.desc, self.size, head, []
        while True:
            bus, length, flags, following = struct.unpack_from("<QIHH", table,
                                                               base + 16 * index)
            if flags & DESC_INDIRECT:
                table, base = reach(bus, length)
                size, index = length // 16, 0
                continue
            pieces.append((*reach(bus, length), length, bool(flags & DESC_WRITE)))
            if not flags & DESC_NEXT:
                return head, pieces
            index = following
            if index >= size or len(pieces) > size:
                sys.exit("host.py: a chain without end")

    def use(self, head, written):
        memory, at = self.used_at
        struct.pack_into("<II", memory, at + 4 + 8 * (self.used % self.size), head, written)
        self.used = self.used + 1 & 0xffff
        struct.pack_into("H", memory, at + 2, self.used)

    def interrupt(self):
        if self.call is not None:
            os.eventfd_write(self.call, 1)


class VhostUser:
    data_max = 4096 - 64

    def __init__(self, path, cid):
        self.is_there, self.queue, self.cid = True, [], cid
        self.regions = []  # (guest, size, user, memory, offset)
        self.rings = [Ring(), Ring(), Ring()]
        self.protocol = 0
        listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        listener.bind(path)
        listener.listen(1)
        print("ready", flush=True)
        self.socket, _ = listener.accept()

    # ---- Memory

    def reach(self, bus, length):
        for guest, size, _, memory, offset in self.regions:
            if guest <= bus and bus + length <= guest + size:
                return memory, offset + bus - guest
        sys.exit(f"host.py: {bus:#x} is no memory")

    def of_user(self, address):
        for _, size, user, memory, offset in self.regions:
            if user <= address < user + size:
                return memory, offset + address - user
        sys.exit(f"host.py: {address:#x} is no memory of QEMU's")

    def set_memory(self, payload, fds):
        count = struct.unpack_from("<I", payload)[0]
        self.regions = []
        for i in range(count):
            guest, size, user, offset = struct.unpack_from("<QQQQ", payload, 8 + 32 * i)
            memory = mmap.mmap(fds[i], size + offset)
            os.close(fds[i])
            self.regions.append((guest, size, user, memory, offset))

    # ---- Messages

    def reply(self, request, payload):
        self.socket.sendall(struct.pack("<III", request, 1 | IS_REPLY, len(payload)) + payload)

    def read_exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                return None
            data += more
        return data

    def on_message(self, _):
        data, ancillary, _, _ = self.socket.recvmsg(12, socket.CMSG_SPACE(8 * 4))
        if not data:
            self.is_there = False
            return
        fds = array.array("i")
        for _, _, raw in ancillary:
            fds.frombytes(raw[:len(raw) // 4 * 4])
        data += self.read_exactly(12 - len(data)) or b""
        request, flags, size = struct.unpack("<III", data)
        answer = self.handle(request, self.read_exactly(size), list(fds))
        if answer is not None:
            self.reply(request, answer)
        elif flags & NEED_REPLY and self.protocol & PROTOCOL_REPLY_ACK:
            self.reply(request, struct.pack("<Q", 0))

    def handle(self, request, payload, fds):
        number = struct.unpack_from("<Q", payload)[0] if len(payload) >= 8 else 0
        if request == GET_FEATURES:
            return struct.pack("<Q", F_INDIRECT | F_PROTOCOL | F_VERSION_1)
        if request == GET_PROTOCOL_FEATURES:
            return struct.pack("<Q", PROTOCOL_REPLY_ACK | PROTOCOL_CONFIG)
        if request == GET_QUEUE_NUM:
            return struct.pack("<Q", 2)
        if request == GET_CONFIG:
            offset, size, _ = struct.unpack_from("<III", payload)
            config = struct.pack("<Q", self.cid).ljust(256, b"\0")
            return payload[:12] + config[offset:offset + size]
        if request == SET_PROTOCOL_FEATURES:
            self.protocol = number
        elif request == SET_MEM_TABLE:
            self.set_memory(payload, fds)
        elif request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
            self.set_fd(request, number, fds)
        elif SET_VRING_NUM <= request <= GET_VRING_BASE or request == SET_VRING_ENABLE:
            return self.set_ring(request, payload)
        return None

    def set_fd(self, request, number, fds):
        ring = self.rings[number & 0xff]
        fd = fds[0] if fds else None
        if request == SET_VRING_KICK:
            ring.kick = fd
        elif request == SET_VRING_CALL:
            ring.call = fd

    def set_ring(self, request, payload):
        index, value = struct.unpack_from("<II", payload)
        ring = self.rings[index]
        if request == SET_VRING_NUM:
            ring.size = value
        elif request == SET_VRING_BASE:
            ring.next = ring.used = value
        elif request == SET_VRING_ENABLE:
            ring.is_enabled = value != 0
        elif request == SET_VRING_ADDR:
            _, _, desc, used, avail, _ = struct.unpack_from("<IIQQQQ", payload)
            ring.desc, ring.used_at = self.of_user(desc), self.of_user(used)
            ring.avail = self.of_user(avail)
            ring.used = struct.unpack_from("<H", ring.used_at[0], ring.used_at[1] + 2)[0]
        else:
            ring.kick = None
            return struct.pack("<II", index, ring.next)
        return None

    # ---- Packets

    def poll(self):
        calls = {self.socket.fileno(): (select.POLLIN, self.on_message)}
        for ring in self.rings:
            if ring.kick is not None:
                calls[ring.kick] = (select.POLLIN, lambda _, r=ring: os.eventfd_read(r.kick))
        return calls

    def send(self, packet):
        self.queue.append(packet)
        self.flush()

    def flush(self):
        ring, done = self.rings[RX], 0
        while self.queue and ring.is_ready() and ring.has_more():
            packet, at = self.queue.pop(0), 0
            head, pieces = ring.take(self.reach)
            for memory, offset, length, is_written in pieces:
                part = packet[at:at + length] if is_written else b""
                memory[offset:offset + len(part)] = part
                at += len(part)
            if at < len(packet):
                sys.exit("host.py: a buffer is too short")
            ring.use(head, len(packet))
            done += 1
        if done:
            ring.interrupt()

    def receive(self):
        ring, packets = self.rings[TX], []
        while ring.is_ready() and len(self.queue) < 256 and ring.has_more():
            head, pieces = ring.take(self.reach)
            packets.append(b"".join(bytes(memory[at:at + length])
                                    for memory, at, length, _ in pieces))
            ring.use(head, 0)
        if packets:
            ring.interrupt()
        self.flush()
        return packets


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cid", type=int, default=3)
    parser.add_argument("--random", type=int)
    parser.add_argument("--vhost-user")
    parser.add_argument("--datagrams")
    parser.add_argument("path")
    args = parser.parse_args()
    if args.vhost_user:
        wire = VhostUser(args.vhost_user, args.cid)
    else:
        wire = Datagrams(*args.datagrams.split(","))
    mux = Mux(wire, args.path, args.cid, args.random)
    if args.datagrams:
        print("ready", flush=True)
    mux.run()


main()
