"""The HTTP stacks of docs/decisions/0003: requests runs on the real urllib3, niquests on its own; NTLM binds to TLS."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import http.server
import ipaddress
import ssl
import struct
import threading
from collections.abc import Iterator
from importlib.metadata import distribution, version
from pathlib import Path

import niquests
import pytest
import requests
import urllib3
import urllib3_future
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from requests_ntlm import HttpNtlmAuth

REMEDY = "Installed without its switch, urllib3-future replaced urllib3: docs/decisions/0003 says how to get it back."


def test_the_urllib3_that_is_loaded_is_the_one_of_the_distribution_urllib3_byte_for_byte() -> None:
    """urllib3-future's wheel carries a package `urllib3` of its own and a start-up hook that copies it over the real one."""
    real = distribution("urllib3")
    listed = {str(one): one for one in real.files or ()}
    assert urllib3.__version__ == version("urllib3"), REMEDY
    assert Path(urllib3.__file__) == Path(str(real.locate_file("urllib3/__init__.py"))), REMEDY
    changed = []
    for name, entry in listed.items():
        if name.startswith("urllib3/") and name.endswith(".py") and entry.hash is not None:
            digest = hashlib.new(entry.hash.mode, Path(str(entry.locate())).read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != entry.hash.value:
                changed.append(name)
    assert len(listed) > 20
    assert changed == [], REMEDY


def test_urllib3_future_brings_neither_a_package_urllib3_nor_a_start_up_hook() -> None:
    files = [str(one) for one in distribution("urllib3-future").files or ()]
    assert any(name.startswith("urllib3_future/") for name in files)
    assert [name for name in files if name.startswith("urllib3/") or name.endswith(".pth")] == [], REMEDY


def test_requests_runs_on_urllib3_and_niquests_on_urllib3_future() -> None:
    assert requests.adapters.PoolManager is urllib3.PoolManager
    assert requests.adapters.PoolManager.__module__ == "urllib3.poolmanager"
    assert niquests.packages.urllib3.__version__ == urllib3_future.__version__ == version("urllib3-future")
    assert niquests.packages.urllib3.exceptions.HTTPError is urllib3_future.exceptions.HTTPError
    assert niquests.packages.urllib3.exceptions.HTTPError is not urllib3.exceptions.HTTPError


# NTLM with channel binding (RFC 5929 4): MS-NLMP 2.2.1.2 CHALLENGE, 2.2.1.3 AUTHENTICATE, 2.2.2.1 AV_PAIR, 2.2.2.7 its place.

UNICODE, NTLM, TARGET_INFO, EXTENDED_SECURITY, LONG_KEY = 0x1, 0x200, 0x00800000, 0x00080000, 0x20000000
DOMAIN_NAME, TIMESTAMP, CHANNEL_BINDINGS, END = 2, 7, 10, 0


def a_certificate() -> tuple[bytes, bytes, bytes]:
    """A fresh self-signed certificate for 127.0.0.1: PEM, key PEM, DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), secret, certificate.public_bytes(serialization.Encoding.DER)


def a_challenge() -> bytes:
    """A CHALLENGE message with target information, which makes the client answer with NTLMv2."""

    def pair(kind: int, value: bytes) -> bytes:
        return struct.pack("<HH", kind, len(value)) + value

    information = (
        pair(DOMAIN_NAME, "HOUSE".encode("utf-16-le")) + pair(TIMESTAMP, struct.pack("<Q", 0x01DD0000_00000000)) + pair(END, b"")
    )
    flags = UNICODE | NTLM | TARGET_INFO | EXTENDED_SECURITY | LONG_KEY
    head = b"NTLMSSP\0" + struct.pack("<IHHII", 2, 0, 0, 56, flags) + b"\x01\x23\x45\x67\x89\xab\xcd\xef" + bytes(8)
    return head + struct.pack("<HHI", len(information), len(information), 56) + bytes(8) + information


def pairs_of(authenticate: bytes) -> dict[int, bytes]:
    """The AV pairs that the client put into its NTLMv2 response."""
    assert authenticate[:12] == b"NTLMSSP\0" + struct.pack("<I", 3)
    length, _, offset = struct.unpack_from("<HHI", authenticate, 20)
    response = authenticate[offset : offset + length]
    found: dict[int, bytes] = {}
    at = 16 + 28  # after the proof, and the fixed part of the client challenge
    while True:
        kind, size = struct.unpack_from("<HH", response, at)
        if kind == END:
            return found
        found[kind] = response[at + 4 : at + 4 + size]
        at += 4 + size


class NtlmHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[bytes]

    def do_GET(self) -> None:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        message = base64.b64decode(token)
        if kind == "NTLM" and message[8:12] == struct.pack("<I", 3):
            self.seen.append(message)
            self.answer(200, "")
        elif kind == "NTLM":
            self.answer(401, "NTLM " + base64.b64encode(a_challenge()).decode())
        else:
            self.answer(401, "NTLM")

    def answer(self, status: int, challenge: str) -> None:
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet: the test reads `seen`."""


NtlmServer = tuple[str, Path, bytes, list[bytes]]  # address, certificate to trust, the same as DER, AUTHENTICATE messages seen


@pytest.fixture
def ntlm_server(tmp_path: Path) -> Iterator[NtlmServer]:
    pem, key, der = a_certificate()
    chain, bundle = tmp_path / "server.pem", tmp_path / "trusted.pem"
    chain.write_bytes(pem + key)
    bundle.write_bytes(pem)
    seen: list[bytes] = []
    handler = type("Handler", (NtlmHandler,), {"seen": seen})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads, server.block_on_close = True, False  # a connection left open is no reason to hang
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/", bundle, der, seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_ntlm_over_tls_binds_to_the_certificate_of_the_connection(ntlm_server: NtlmServer) -> None:
    """Exchange with Extended Protection refuses a sign-in without this hash, which is taken from deep below the answer."""
    url, bundle, der, seen = ntlm_server
    with requests.Session() as session:
        session.trust_env = False
        session.auth = HttpNtlmAuth("HOUSE\\anna", "geheim")
        answer = session.get(url, verify=str(bundle), timeout=20)
    assert answer.status_code == 200
    assert len(seen) == 1
    data = b"tls-server-end-point:" + hashlib.sha256(der).digest()
    bindings = struct.pack("<IIIII", 0, 0, 0, 0, len(data)) + data
    assert pairs_of(seen[0])[CHANNEL_BINDINGS] == hashlib.md5(bindings).digest()


def test_ntlm_without_channel_binding_is_told_from_one_with_it(ntlm_server: NtlmServer) -> None:
    """The counter-check: the test above does not pass on a hash that is always there."""
    url, bundle, _, seen = ntlm_server
    with requests.Session() as session:
        session.trust_env = False
        session.auth = HttpNtlmAuth("HOUSE\\anna", "geheim", send_cbt=False)
        assert session.get(url, verify=str(bundle), timeout=20).status_code == 200
    assert pairs_of(seen[0]).get(CHANNEL_BINDINGS, bytes(16)) == bytes(16)
