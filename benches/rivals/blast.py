#!/usr/bin/env python3
"""A load that costs less than dnsperf's, for servers that one core of dnsperf cannot keep busy.

    python3 blast.py PORT QUERIES SECONDS CLIENTS OUTSTANDING

Each client sends its share of what may be outstanding as one packet that the kernel cuts into datagrams (UDP_SEGMENT), and the next
when all of it is answered, or given up for lost. Datagrams cut so have one length: of the names only those with the most common length
are asked. Says what dnsperf says: answered, lost, wrong, answers a second.
"""

import collections
import ctypes
import json
import select
import socket
import struct
import sys
import time

UDP_SEGMENT = 103
REPLY_BYTES = 512
LOST_AFTER_SECONDS = 0.5
RECEIVE_BYTES = 4 << 20
GOOD_CODES = bytes(code for code in range(256) if code & 15 == 0)
REPLIES = bytes(range(128, 256))
LIBC = ctypes.CDLL(None)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Header(ctypes.Structure):
    """struct mmsghdr: of many messages received at once."""

    _fields_ = [
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(Vector)), ("vectors_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int), ("received", ctypes.c_uint64),
    ]


def datagrams(path):
    """The queries as dnsperf -e makes them, of the most common length."""
    of_length = collections.defaultdict(list)
    with open(path) as file:
        for number, line in enumerate(file):
            labels = b"".join(bytes([len(label)]) + label.encode() for label in line.split()[0].split("."))
            query = struct.pack(">6H", number, 0x0100, 1, 0, 0, 1) + labels + struct.pack(">BHHBHHIH", 0, 1, 1, 0, 41, 4096, 0, 0)
            of_length[len(query)].append(query)
    return max(of_length.values(), key=len)


class Client:
    """One socket, and what it waits for."""

    def __init__(self, port, chunks, turn):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.file = self.socket.fileno()
        self.chunks, self.turn, self.waiting, self.since = chunks, turn, 0, 0.0

    def send(self, count, now):
        self.socket.send(self.chunks[self.turn % len(self.chunks)])
        self.turn, self.waiting, self.since = self.turn + 1, count, now


def blast(port, path, seconds, clients_count, outstanding):
    queries, count = datagrams(path), outstanding // clients_count
    size = len(queries[0])
    chunks = [b"".join(queries[at : at + count]) for at in range(0, len(queries) - count + 1, count)]
    clients = [Client(port, chunks, number) for number in range(clients_count)]
    block = (ctypes.c_char * (REPLY_BYTES * count))()
    view = memoryview(block).cast("B")
    vectors = (Vector * count)(*[Vector(ctypes.addressof(block) + REPLY_BYTES * at, REPLY_BYTES) for at in range(count)])
    headers = (Header * count)()
    for at, header in enumerate(headers):
        header.vectors, header.vectors_count = ctypes.pointer(vectors[at]), 1
    waiter = select.epoll()
    of_file = {client.file: client for client in clients}
    start = time.perf_counter()
    end, answered, lost, wrong = start + seconds, 0, 0, 0
    for client in clients:
        client.socket.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        waiter.register(client.file, select.EPOLLIN)
        client.send(count, start)
    while any(client.waiting for client in clients):
        ready = waiter.poll(0.1)
        now = time.perf_counter()
        for file, _ in ready:
            client = of_file[file]
            got = LIBC.recvmmsg(file, headers, count, socket.MSG_DONTWAIT, None)
            if got <= 0:
                continue
            answered += got
            flags, codes = (bytes(view[at : got * REPLY_BYTES : REPLY_BYTES]) for at in (2, 3))
            wrong += max(len(flags.translate(None, REPLIES)), len(codes.translate(None, GOOD_CODES)))
            client.waiting -= min(got, client.waiting)
            if not client.waiting and now < end:
                client.send(count, now)
        for client in clients if not ready or now > end else ():
            if client.waiting and now - client.since > LOST_AFTER_SECONDS:
                lost, client.waiting = lost + client.waiting, 0
                if now < end:
                    client.send(count, now)
    return {"answered": answered, "lost": lost, "wrong": wrong, "per_s": answered / (time.perf_counter() - start)}


if __name__ == "__main__":
    print(json.dumps(blast(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6]))))
