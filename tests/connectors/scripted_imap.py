"""A small IMAP server for one test: does what pymap cannot be made to do. Answers by a table that tests change.

Each command of `script` has a list of lines to send; "{tag}" is the command's tag. The line DROP breaks the connection off.
An empty list says nothing, for ever.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
DROP = "<drop>"
_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
_UID_COMMAND = re.compile(rb"UID (\w+)", re.IGNORECASE)


class ScriptedImap:
    """`commands` are the lines that came, without tags and literals; `literals` what came as literals or after “+”."""

    def __init__(
        self, mails: dict[int, bytes] | None = None, *, capabilities: str = "IDLE MOVE UIDPLUS", uidvalidity: int = 7
    ) -> None:
        self.mails = dict(mails or {})
        self.capabilities = capabilities
        self.uidvalidity = uidvalidity
        self.greeting = "* OK scripted"
        self.script: dict[str, list[str]] = {}
        self.unreadable: set[int] = set()
        self.sizes: dict[int, int] = {}
        self.commands: list[str] = []
        self.literals: list[bytes] = []
        self.connections = 0
        self.idling = asyncio.Event()
        self.tls: ssl.SSLContext | None = None
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def open(self, *, tls_at_once: bool = False) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self.port, ssl=self.tls if tls_at_once else None)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self.drop_all()

    async def drop_all(self) -> None:
        """Break all connections off."""
        tasks = list(self._tasks)
        for task in tasks:
            self._tasks[task].transport.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def push(self, *lines: str) -> None:
        """Send lines to all clients, unasked."""
        for writer in self._tasks.values():
            writer.write("".join(f"{line}\r\n" for line in lines).encode())

    @property
    def open_connections(self) -> int:
        return len(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks[task] = writer
        self.connections += 1
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.greeting == DROP:
                return
            if self.greeting:
                writer.write(f"{self.greeting}\r\n".encode())
            while line := await self._command(reader, writer):
                tag, _, rest = line.partition(b" ")
                self.commands.append(rest.decode().strip())
                await self._answer(tag.decode(), rest, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _command(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        line = await reader.readline()
        while match := _LITERAL.search(line):
            writer.write(b"+ go on\r\n")
            literal = await reader.readexactly(int(match[1]))
            self.literals.append(literal)
            line = line[: match.start()] + b"<literal>" + await reader.readline()
        return line

    async def _answer(self, tag: str, rest: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = _UID_COMMAND.match(rest)
        name = f"UID {uid[1].decode().upper()}" if uid else rest.split()[0].decode().upper()
        if name in self.script:
            for line in self.script[name]:
                if line == DROP:
                    raise ConnectionResetError
                writer.write(line.replace("{tag}", tag).encode())
            return
        if name == "AUTHENTICATE":
            writer.write(b"+ \r\n")
            self.literals.append((await reader.readline()).strip())
        elif name == "IDLE":
            writer.write(b"+ idling\r\n")
            self.idling.set()
            self.commands.append((await reader.readline()).decode().strip())
            self.idling.clear()
        for data in self._untagged(name, rest):
            writer.write(data + b"\r\n")
        writer.write(f"{tag} OK done\r\n".encode())
        if name == "STARTTLS":
            # Somebody in between slips the beginning of a line in, in clear.
            writer.write(b"* BYE slipped in, ")
            await writer.drain()
            assert self.tls is not None
            await writer.start_tls(self.tls)

    def _untagged(self, name: str, rest: bytes) -> list[bytes]:
        match name:
            case "CAPABILITY":
                return [f"* CAPABILITY IMAP4rev1 {self.capabilities}".encode()]
            case "SELECT":
                return [b"* FLAGS (\\Seen)", b"* %d EXISTS" % len(self.mails), b"* OK [UIDVALIDITY %d] ok" % self.uidvalidity]
            case "UID SEARCH":
                first = int(rest.split()[-1].partition(b":")[0])
                last = max(self.mails, default=0)
                found = [uid for uid in reversed(self.mails) if uid >= first or uid == last]
                return [b" ".join([b"* SEARCH", *(b"%d" % uid for uid in found)])]
            case "UID FETCH":
                return [line for uid in self._wanted(rest) for line in self._fetch(uid, rest)]
            case "LIST":
                return [b'* LIST (\\Noselect) "/" ""']
            case _:
                return []

    def _wanted(self, rest: bytes) -> list[int]:
        return [uid for uid in map(int, rest.split()[2].split(b",")) if uid in self.mails]

    def _fetch(self, uid: int, rest: bytes) -> list[bytes]:
        data = self.mails[uid]
        number = list(self.mails).index(uid) + 1
        if b"BODY" not in rest:
            size = self.sizes.get(uid, len(data))
            return [b'* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE " 7-Nov-2026 10:00:00 +0100")' % (number, uid, size)]
        if uid in self.unreadable:
            return []
        part = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if b"HEADER" in rest else data
        limit = re.search(rb"<0\.(\d+)>", rest)
        assert limit is not None
        part = part[: int(limit[1])]
        return [b"* %d FETCH (UID %d BODY[]<0> {%d}\r\n%b)" % (number, uid, len(part), part)]
