"""The loopback interface: the demonstration and the tests talk over it, and in a fresh network namespace it is down."""

from __future__ import annotations

import array
import fcntl
import socket
import struct

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914  # netdevice(7)
_IFF_UP = 0x1
_NAME_AND_FLAGS = "16sH14x"


def bring_up() -> bool:
    """Set `lo` up where it is down, as `ip link set lo up` does. False: it is down and this process may not change that."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            request = array.array("B", struct.pack(_NAME_AND_FLAGS, b"lo", 0))
            fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request, True)
            flags = struct.unpack(_NAME_AND_FLAGS, request)[1]
            if not flags & _IFF_UP:
                fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack(_NAME_AND_FLAGS, b"lo", flags | _IFF_UP))
    except OSError:
        return False
    return True
