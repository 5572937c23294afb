"""The service key, and passwords of calendars encrypted under it (design 4.8).

The key lies outside the database and its backups, so that neither gives a password away. Not here: secrets of the configuration
(`daemon.config`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.core.errors import ConfigProblem, Refused

if TYPE_CHECKING:
    from cryptography.fernet import Fernet  # imported where it is used: the command line does without

KEY_NAME = "service.key"
_KEY_BYTES = 32
_AGAIN = "remove the calendar with `calendar remove` and add it again with `calendar add --password-stdin`."


def load_key(data_dir: Path, credentials_dir: Path | None = None, *, make: Callable[[int], bytes] = os.urandom) -> bytes:
    """Return the 32 bytes of the service key: the systemd credential `service.key`, else the file of that name in `data_dir`.

    The file is made, readable by the owner only, where there is none. Raises ConfigProblem if the key cannot be read, is no key,
    or others may read it.
    """
    if credentials_dir is not None and _is_there(credentials_dir / KEY_NAME):
        # Its mode is systemd's business: it is 0440 where an ACL names the service's user.
        return _decoded(
            _read(credentials_dir / KEY_NAME, f"the systemd credential {KEY_NAME}"), f"the systemd credential {KEY_NAME}"
        )
    file = data_dir / KEY_NAME
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        _create(file, make(_KEY_BYTES))
        mode = file.stat().st_mode
    except OSError as error:
        raise _unreadable(file, error) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigProblem(
            (f"{file}: others than its owner may use the service key (mode {stat.S_IMODE(mode):04o}). Run: chmod 600 {file}",)
        )
    return _decoded(_read(file, str(file)), str(file))


def encrypt(key: bytes, text: str) -> str:
    """Return the form in which a calendar keeps its password (`enc:…`)."""
    return "enc:" + _fernet(key).encrypt(text.encode()).decode("ascii")


def decrypt(key: bytes, secret: str, references: Mapping[str, str]) -> str:
    """Return the password that a calendar's `secret` stands for: `enc:…`, `ref:NAME` of the configuration, or "" for none.

    Raises Refused with what a person can do if it was encrypted under another key, or the configuration has no such name.
    """
    kind, _, value = secret.partition(":")
    if not secret:
        return ""
    if kind == "ref":
        if not references.get(value):
            raise Refused(
                f"The configuration has no password named “{value}” for the calendar. "
                f"Set calendars.secrets.{value}.password_file and restart the service."
            )
        return references[value]
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(key).decrypt(value if kind == "enc" else "").decode()
    except (InvalidToken, ValueError) as error:
        raise Refused(
            f"The password of the calendar was encrypted under another service key. Bring back the old {KEY_NAME}, or {_AGAIN}"
        ) from error


def _fernet(key: bytes) -> Fernet:
    from cryptography.fernet import Fernet

    # One key, many purposes: each gets its own derived one.
    return Fernet(base64.urlsafe_b64encode(hmac.digest(key, b"calendar password", "sha256")))


def _is_there(file: Path) -> bool:
    """Not knowing is no answer: with another key than before, no password could be read any more."""
    try:
        file.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unreadable(file, error) from error
    return True


def _create(file: Path, key: bytes) -> None:
    """Make the file whole or not at all; of two first starts at once, the second one reads the first one's key."""
    draft = file.with_name(f".{KEY_NAME}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(base64.b64encode(key) + b"\n")
                out.flush()
                os.fsync(out.fileno())
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigProblem(
            (
                f"{file}: the service key cannot be made ({error.strerror}). Give the service's user the right to write "
                f"{file.parent}, or set service.data_dir.",
            )
        ) from error


def _read(file: Path, shown: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(shown, error) from error


def _unreadable(shown: Path | str, error: OSError) -> ConfigProblem:
    return ConfigProblem(
        (f"{shown}: the service key cannot be read ({error.strerror}). Run this as the data directory's owner.",)
    )


def _decoded(data: bytes, shown: str) -> bytes:
    try:
        key = base64.b64decode(data.strip().replace(b"-", b"+").replace(b"_", b"/"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigProblem(
            (
                f"{shown}: this is no service key. It is 32 random bytes in base64, as `openssl rand -base64 32` makes them. "
                "With a new key the passwords of all calendars must be given again.",
            )
        )
    return key
