#!/usr/bin/env python3
"""Keeps what the recursor sends of its queries: takes connections and writes what comes to a file, as fstrm_capture does for dnstap.

    python3 sink.py PORT FILE
"""

import socket
import sys
import threading


def keep(connection, file):
    block = bytearray(1 << 18)
    while got := connection.recv_into(block):
        file.write(memoryview(block)[:got])


def main():
    port, path = int(sys.argv[1]), sys.argv[2]
    with socket.create_server(("127.0.0.1", port)) as door:
        number = 0
        while True:
            connection, _ = door.accept()
            number += 1
            file = open(f"{path}.{number}", "wb", buffering=0)
            threading.Thread(target=keep, args=(connection, file), daemon=True).start()


if __name__ == "__main__":
    main()
