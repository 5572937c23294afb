"""The data directory and the service key, as they lie on a disk and as facts."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.doctor import Level
from daemon.doctor.place import Place, file_system, judge_place, look_at_place
from daemon.secrets import load_key
from tests.doctor.tables import levels, the

GOOD = Place(folder=Path("/var/lib/sitzungsplaner"), mode=0o40700, free=10 * 1024**3, file_system="ext4", key_from="a file")
MIB = 1024**2

FACTS = {
    "all is well": ({}, [], ""),
    "not there yet": ({"there": False}, ["note"], "is not there yet"),
    "cannot be looked at": ({"trouble": "Permission denied"}, ["problem"], "Permission denied"),
    "readable by the group": ({"mode": 0o40750}, ["warning"], "look into the data (mode 0750)"),
    "writable by the group": ({"mode": 0o40770}, ["problem"], "change the data (mode 0770)"),
    "writable by all": ({"mode": 0o40702}, ["problem"], "chmod 700"),
    "not writable by us": ({"writable": False}, ["problem"], "may not write"),
    "in memory": ({"file_system": "tmpfs"}, ["warning"], "in memory (tmpfs)"),
    "little room": ({"free": 500 * MIB}, ["warning"], "500 MiB"),
    "no room": ({"free": 3 * MIB}, ["problem"], "3 MiB"),
    "no key yet": ({"key_from": ""}, ["note"], "no service key yet"),
    "a key others may read": (
        {"key_from": "", "key_trouble": "/x/service.key: others than its owner may use the key. Run: chmod 600 /x/service.key"},
        ["problem"],
        "Run: chmod 600 /x/service.key",
    ),
}


@pytest.mark.parametrize("case", FACTS)
def test_what_is_said_of_the_place(case: str) -> None:
    changes, expected, piece = FACTS[case]
    findings = judge_place(replace(GOOD, **changes))
    assert levels(findings) == expected
    assert piece in " ".join(f"{one.what} {one.remedy}" for one in findings)


MOUNTS = """\
22 27 0:21 / /proc rw - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:30 / /var rw shared:1 - xfs /dev/vdb rw
31 30 0:31 / /var/lib rw - nfs4 nas:/export rw
32 27 0:32 / /srv/our\\040data rw - cifs //nas/data rw
33 27 0:33 / /over rw - ext4 /dev/vdc rw
34 27 0:34 / /over rw - tmpfs tmpfs rw
a broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/anna", "ext4"),
        ("/var/lib/sitzungsplaner", "nfs4"),
        ("/var/library", "xfs"),
        ("/var/lib", "nfs4"),
        ("/srv/our data/x", "cifs"),
        ("/over/x", "tmpfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount_above(path: str, kind: str) -> None:
    assert file_system(MOUNTS, Path(path)) == kind
    assert file_system("", Path(path)) == ""


def test_a_private_directory_with_its_key_is_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    key = load_key(folder)
    place = look_at_place(folder, None)
    assert (place.there, place.mode & 0o777, place.writable, place.key) == (True, 0o700, True, key)
    assert base64.b64encode(key).decode() not in repr(place)
    assert place.free
    the(judge_place(replace(place, free=10**12, file_system="ext4")), Level.OK, "is private")


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert not look_at_place(tmp_path / "data", None).there
    look_at_place(tmp_path, None)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_others_may_read_or_that_is_none_is_told(tmp_path: Path) -> None:
    load_key(tmp_path)
    (tmp_path / "service.key").chmod(0o644)
    the(judge_place(look_at_place(tmp_path, None)), Level.PROBLEM, "Run: chmod 600")
    (tmp_path / "service.key").chmod(0o600)
    (tmp_path / "service.key").write_text("short")
    the(judge_place(look_at_place(tmp_path, None)), Level.PROBLEM, "This is no service key")


def test_a_key_that_is_a_credential_is_taken(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "service.key").write_text(base64.b64encode(bytes(range(32))).decode())
    place = look_at_place(tmp_path, credentials)
    assert (place.key, place.key_from) == (bytes(range(32)), "a systemd credential")


def test_a_file_in_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    (tmp_path / "data").chmod(0o600)
    findings = judge_place(look_at_place(tmp_path / "data" / "below", None))
    the(findings, Level.PROBLEM, "Not a directory")
