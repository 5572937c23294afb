"""What the application is given by the composition root, and how a request says for whom it acts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Query, Request
from sqlalchemy import Connection

from daemon import planner
from daemon.core.errors import Rejected
from daemon.core.model import Owner
from daemon.planner.wishes import Desk
from daemon.ports import CalendarAccount, Capabilities
from daemon.reader import Reads
from daemon.render import Renderer
from daemon.store.engine import Store, Transaction

T = TypeVar("T")
Probe = Callable[[CalendarAccount], Awaitable[Capabilities]]
Examine = Callable[[bool], Awaitable[Sequence[Mapping[str, str]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`key` is the service key, `references` the passwords that calendars name by `ref:NAME`; `probe` asks a calendar's server.

    `examine` looks at everything the service depends on (`quick` or not) and returns findings, the levels with their remedies.
    `read` reads a mail from anybody. `status` tells what only the running service knows (loops). `trusted`: whoever reaches the
    application is an admin, as on the Unix socket and in process; otherwise nobody may do anything.
    """

    store: Store
    desk: Desk
    key: bytes = field(repr=False)
    renderer: Renderer
    probe: Probe
    examine: Examine
    read: Reads
    status: Callable[[], Mapping[str, Any]] = dict
    references: Mapping[str, str] = field(default_factory=dict, repr=False)
    trusted: bool = False

    async def write(self, do: Transaction[T], *, dry_run: bool) -> T:
        """Run the transaction; in a dry run everything it did is undone again."""
        return await (self.store.preview(do) if dry_run else self.store.run(do))


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """For whom a request acts: the owner named in the header, or whoever is the only one."""

    named: str

    def owner(self, tx: Connection) -> Owner:
        """Return the owner. Raises NotFound for an unknown one, Rejected where it is not clear who is meant."""
        if self.named:
            return planner.find_owner(tx, self.named)
        known = planner.owners(tx)
        if not known:
            raise Rejected("There is no owner yet. Add one with `owner add ADDRESS`.", field="owner")
        if len(known) > 1:
            raise Rejected(
                f"There are {len(known)} owners: say for whom with --owner ADDRESS (in the API: the header X-Owner).",
                field="owner",
            )
        return known[0]

    def only(self, tx: Connection) -> str | None:
        """Return the id of the named owner, whose things alone are looked at; None: everybody's."""
        return planner.find_owner(tx, self.named).id if self.named else None


def _acting(x_owner: Annotated[str, Header(description="The owner to act for: address or id.")] = "") -> Acting:
    return Acting(named=x_owner.strip())


Given = Annotated[Context, Depends(_context)]
For = Annotated[Acting, Depends(_acting)]
DryRun = Annotated[bool, Query(description="Say what it would cause and change nothing.")]
