"""Microsoft's own schema as a judge of both directions. It is data beside the checkout; without it nothing is judged here."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from lxml import etree

from tests.servers.exchange.soap import NAMES, Element

# As tests/core does: the shared collection lies beside the checkout. The variable is for those who keep it elsewhere.
FOLDER = Path(os.environ.get("EWS_XSD") or Path(__file__).parents[3].parent / "shared" / "data" / "ews" / "xsd" / "patched")
MISSING = "the EWS schema is not beside this checkout; EWS_XSD can name its folder"


@functools.cache
def schema() -> etree.XMLSchema | None:
    """The whole contract (122 operations), or None where it is not at hand."""
    file = FOLDER / "messages.xsd"
    return etree.XMLSchema(etree.parse(file)) if file.is_file() else None


def violation(document: Element) -> tuple[str, int, int] | None:
    """What is wrong first in an envelope: words, line, column. Faults are outside the schema and always pass."""
    judge = schema()
    if judge is None:
        return None
    parts = [*document.iterfind("s:Header/*", NAMES), *document.iterfind("s:Body/*", NAMES)]
    for part in parts:
        if part.tag.startswith(f"{{{NAMES['s']}}}") or judge.validate(part):
            continue
        first = judge.error_log[0]
        return first.message, first.line, first.column
    return None
