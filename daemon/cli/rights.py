"""Run as root, a command first becomes the user whom the data directory belongs to: no file there shall end up as root's."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from daemon.core.errors import Rejected


def become_owner_of(folder: Path) -> None:
    """Give root's rights away for good, if this process has them and the folder is another's. Raises Rejected."""
    if os.geteuid() != 0:
        return
    try:
        owner = folder.stat()
    except OSError:
        return  # there is nothing of anybody's yet
    if owner.st_uid == 0:
        return
    try:
        account = pwd.getpwuid(owner.st_uid)
        groups, home = os.getgrouplist(account.pw_name, account.pw_gid), account.pw_dir
        group = account.pw_gid
    except KeyError:
        group, groups, home = owner.st_gid, [owner.st_gid], "/"
    try:
        os.setgroups(groups)
        os.setgid(group)
        os.setuid(owner.st_uid)
    except OSError as error:
        raise Rejected(
            f"The user of {folder} (number {owner.st_uid}) cannot be taken on: {error.strerror}. Run this as that user."
        ) from error
    os.environ["HOME"] = home
