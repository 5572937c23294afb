"""Asking the DNS, behind a port: what a domain publishes about its mail. Built on dnspython."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

from daemon.core.errors import Unreachable


class Dns(Protocol):
    """Raises Unreachable where nobody could be asked or nobody answered in time."""

    async def txt(self, name: str) -> tuple[str, ...] | None:
        """Return the texts at a name; None: there is no such name, and nothing below it (RFC 8020)."""
        ...

    async def mx(self, name: str) -> tuple[str, ...] | None:
        """Return the hosts that take a domain's mail, first choice first, without final dots; None: there is no such name."""
        ...


class SystemDns:
    """The name servers of this machine (or those that are named), each question within `patience`."""

    def __init__(
        self, *, patience: timedelta = timedelta(seconds=4), servers: tuple[str, ...] = (), port: int | None = None
    ) -> None:
        self._patience, self._servers, self._port = patience, servers, port

    async def txt(self, name: str) -> tuple[str, ...] | None:
        found = await self._ask(name, "TXT")
        return found and tuple(b"".join(one.strings).decode("utf-8", "replace") for one in found)

    async def mx(self, name: str) -> tuple[str, ...] | None:
        found = await self._ask(name, "MX")
        return found and tuple(one.exchange.to_text(omit_final_dot=True) for one in sorted(found, key=lambda one: one.preference))

    async def _ask(self, name: str, kind: str) -> tuple[Any, ...] | None:
        # Imported here: nobody but the doctor asks, and `--help` should not wait for it.
        import dns.asyncresolver
        import dns.exception
        import dns.resolver

        try:
            resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = list(self._servers)
            if self._port is not None:
                resolver.port = self._port
            answer = await resolver.resolve(name, kind, lifetime=self._patience.total_seconds(), search=False)
        except dns.resolver.NXDOMAIN:
            return None
        except dns.resolver.NoAnswer:
            return ()
        except (dns.exception.DNSException, OSError) as error:
            raise Unreachable(f"The DNS could not be asked about {name} ({type(error).__name__}).") from error
        return tuple(answer)
