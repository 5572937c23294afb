"""A strict stand-in for Exchange Server: EWS over HTTP, calendars, meeting mail between mailboxes, and what goes wrong there.

Nothing of the product is imported here, and nothing here is imported by it: what both believe would not be tested.
docs/servers.md says what is imitated, and from which source each behaviour is.
"""

from __future__ import annotations

from tests.servers.exchange.faults import Trouble
from tests.servers.exchange.http import ExchangeServer, Request

__all__ = ["ExchangeServer", "Request", "Trouble"]
