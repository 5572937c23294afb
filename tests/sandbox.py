"""Runs a program under the restrictions of a systemd unit that a process can put on itself, without systemd: seccomp and W^X.

    python tests/sandbox.py UNIT PROGRAM ARGUMENT…

Read from the unit: SystemCallFilter=, SystemCallErrorNumber=, RestrictAddressFamilies=, MemoryDenyWriteExecute=. What a set like
@system-service holds is asked of systemd-analyze, as is done by systemd itself. File system, users and devices are not in it.
Ends with 77 and a reason on standard error where this machine cannot do it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

CANNOT = 77
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_PR_SET_MDWE, _REFUSE_EXEC_GAIN = 65, 1  # Linux 6.3
_EQUAL = 4  # SCMP_CMP_EQ


class _Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def settings(unit: Path, name: str) -> list[str]:
    """Return the values of a setting, line by line."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def sets() -> dict[str, list[str]]:
    """Return systemd's sets of system calls: each name with its members, sets among them."""
    listed = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True
    ).stdout
    known: dict[str, list[str]] = {}
    for line in listed.splitlines():
        if line.startswith("@"):
            members = known.setdefault(line.strip(), [])
        elif line.startswith(" ") and not line.strip().startswith("#"):
            members.append(line.strip())
    return known


def expanded(names: list[str], known: dict[str, list[str]]) -> set[str]:
    """Return the single system calls in these names."""
    found: set[str] = set()
    for name in names:
        found |= expanded(known[name], known) if name.startswith("@") else {name}
    return found


def allowed(unit: Path) -> set[str]:
    """Return what the unit's SystemCallFilter= lines leave over (systemd.exec(5))."""
    known, calls = sets(), set[str]()
    for line in settings(unit, "SystemCallFilter"):
        if line.startswith("~"):
            calls -= expanded(line[1:].split(), known)
        else:
            calls |= expanded(line.split(), known) | expanded(["@default"], known)
    return calls


def cannot(reason: str) -> NoReturn:
    sys.stderr.write(reason + "\n")
    sys.exit(CANNOT)


def confine(unit: Path) -> None:
    """Put the unit's restrictions on this process and all it starts. There is no way back."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError:
        cannot("libseccomp.so.2 is not here")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    number = getattr(errno, settings(unit, "SystemCallErrorNumber")[0])
    calls, families = allowed(unit), [getattr(socket, one) for one in settings(unit, "RestrictAddressFamilies")[0].split()]
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_ERRNO | number)))
    for call in sorted(calls - {"socket"}):
        known = seccomp.seccomp_syscall_resolve_name(call.encode())
        if known >= 0:
            seccomp.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), known, 0)
    known = seccomp.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        same = _Comparison(0, _EQUAL, int(family), 0)
        seccomp.seccomp_rule_add_array(context, ctypes.c_uint32(_ALLOW), known, 1, ctypes.byref(same))
    if settings(unit, "MemoryDenyWriteExecute") == ["yes"] and libc.prctl(_PR_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        cannot(f"this kernel has no PR_SET_MDWE (Linux 6.3): {os.strerror(ctypes.get_errno())}")
    if seccomp.seccomp_load(context) != 0:
        cannot("the filter cannot be loaded")


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
