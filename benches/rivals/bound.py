#!/usr/bin/env python3
"""Binds a UDP socket with a large receive buffer, as systemd's ReceiveBuffer= would, and becomes the command, which is told its number.

    python3 bound.py PORT BYTES COMMAND ... {fd} ...
"""

import os
import socket
import sys


def main():
    port, size, words = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    one.bind(("127.0.0.1", port))
    one.set_inheritable(True)
    words = [word.replace("{fd}", str(one.fileno())) for word in words]
    os.execv(words[0], words)


if __name__ == "__main__":
    main()
