"""The service key and what is encrypted under it."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from daemon.core.errors import ConfigProblem, Refused
from daemon.secrets import KEY_NAME, decrypt, encrypt, load_key

KEY = bytes(range(32))


def test_the_first_start_makes_a_key_for_the_owner_s_eyes_only_and_later_starts_keep_it(tmp_path: Path) -> None:
    data = tmp_path / "new"
    key = load_key(data)
    file = data / KEY_NAME
    assert len(key) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_key(data) == key
    assert [one.name for one in data.iterdir()] == [KEY_NAME]


def test_the_umask_does_not_open_the_key(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        load_key(tmp_path)
    finally:
        os.umask(old)
    assert (tmp_path / KEY_NAME).stat().st_mode & 0o777 == 0o600


def test_of_two_first_starts_at_once_both_use_the_same_key(tmp_path: Path) -> None:
    def while_another_starts(size: int) -> bytes:
        load_key(tmp_path, make=lambda _: KEY)
        return b"x" * size

    assert load_key(tmp_path, make=while_another_starts) == KEY


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode], ids=["openssl", "urlsafe"])
def test_a_systemd_credential_comes_before_the_file(tmp_path: Path, encode: object) -> None:
    key = b"\xfb\xff" * 16
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / KEY_NAME).write_bytes(encode(key) + b"\n")  # type: ignore[operator]
    assert load_key(tmp_path, credentials) == key
    assert not (tmp_path / KEY_NAME).exists()


def test_without_the_credential_the_file_is_used(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    assert load_key(tmp_path, tmp_path / "credentials", make=lambda _: KEY) == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_may_use_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    load_key(tmp_path)
    (tmp_path / KEY_NAME).chmod(mode)
    with pytest.raises(ConfigProblem, match=rf"mode {mode:04o}\)\. Run: chmod 600 .*service\.key"):
        load_key(tmp_path)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe", base64.b64encode(b"x" * 31), b"a b" * 20])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_NAME).write_bytes(content)
    (tmp_path / KEY_NAME).chmod(0o600)
    with pytest.raises(ConfigProblem, match=r"this is no service key\. It is 32 random bytes in base64") as caught:
        load_key(tmp_path)
    assert not content or content.decode("latin-1") not in str(caught.value)


def test_a_key_that_cannot_be_read_or_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigProblem, match=r"the service key cannot be read \(Not a directory\)"):
        load_key(tmp_path / "file")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigProblem, match=r"the service key cannot be read \(Too many levels"):
        load_key(tmp_path / "loop")
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / f".{KEY_NAME}.{os.getpid()}").mkdir()
    with pytest.raises(ConfigProblem, match=r"the service key cannot be made \(Is a directory\)\. Give the service's user"):
        load_key(tmp_path / "blocked")
    (tmp_path / "folder" / KEY_NAME).mkdir(parents=True, mode=0o700)
    with pytest.raises(ConfigProblem, match=r"the service key cannot be read \(Is a directory\)"):
        load_key(tmp_path / "folder")


def test_a_password_is_encrypted_and_comes_back() -> None:
    secret = encrypt(KEY, "gehe:im ü")
    assert secret.startswith("enc:")
    assert "gehe" not in secret
    assert decrypt(KEY, secret, {}) == "gehe:im ü"
    assert encrypt(KEY, "gehe:im ü") != secret


def test_the_raw_key_does_not_open_what_was_encrypted() -> None:
    """Links are signed with the same key: the derived keys must differ by purpose."""
    from cryptography.fernet import Fernet, InvalidToken

    with pytest.raises(InvalidToken):
        Fernet(base64.urlsafe_b64encode(KEY)).decrypt(encrypt(KEY, "x").removeprefix("enc:"))


def test_no_secret_is_no_password_and_a_reference_is_looked_up() -> None:
    assert decrypt(KEY, "", {}) == ""
    assert decrypt(KEY, "ref:web", {"web": "geheim"}) == "geheim"


def test_a_missing_reference_names_the_setting() -> None:
    with pytest.raises(Refused, match=r"no password named “web” for the calendar\. Set calendars\.secrets\.web\.password_file"):
        decrypt(KEY, "ref:web", {"other": "geheim"})


@pytest.mark.parametrize("secret", ["enc:", "enc:abc", "enc:ü", encrypt(b"x" * 32, "geheim"), "geheim"])
def test_what_another_key_encrypted_is_refused_with_the_way_out(secret: str) -> None:
    with pytest.raises(
        Refused, match=r"encrypted under another service key\. Bring back the old service\.key, or remove"
    ) as caught:
        decrypt(KEY, secret, {})
    assert "geheim" not in str(caught.value)


def test_a_credential_directory_that_cannot_be_looked_into_is_no_missing_key(tmp_path: Path) -> None:
    """A new key would be made instead, and no calendar's password could be read. A name too long stands for a missing right."""
    with pytest.raises(ConfigProblem, match="the service key cannot be read"):
        load_key(tmp_path, tmp_path / ("x" * 300))
    assert list(tmp_path.iterdir()) == []
