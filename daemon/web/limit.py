"""Who tried too many links that lead nowhere: counted by client and by distinct link, so that a dead one counts once."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from daemon.ports import Clock

_MOST_CLIENTS = 10_000


class WrongTokens:
    """Remembers for `within` which unknown tokens each client asked for; `most` of them are allowed."""

    def __init__(self, clock: Clock, *, most: int = 20, within: timedelta = timedelta(minutes=15)) -> None:
        self._clock, self._most, self._within = clock, most, within
        self._seen: OrderedDict[str, dict[int, datetime]] = OrderedDict()

    def too_many(self, client: str) -> bool:
        """True if this client asked for so many that it is not listened to for now."""
        seen = self._seen.get(_network(client))
        if seen is None:
            return False
        since = self._clock.now() - self._within
        for token in [one for one, at in seen.items() if at <= since]:
            del seen[token]
        return len(seen) >= self._most

    def note(self, client: str, token: str) -> None:
        """This client asked for a link that leads nowhere."""
        name = _network(client)
        seen = self._seen.setdefault(name, {})
        self._seen.move_to_end(name)
        if len(seen) < self._most:
            seen.setdefault(hash(token), self._clock.now())
        if len(self._seen) > _MOST_CLIENTS:
            self._seen.popitem(last=False)


def _network(client: str) -> str:
    """An IPv6 client has a whole /64 to itself."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    return client if address.version == 4 else str(ip_network((address, 64), strict=False))
