"""SyncFolderItems: what changed in a folder since a state that means nothing to the client (behaviour 22)."""

from __future__ import annotations

import base64

from tests.servers.exchange.organisation import Call, Exchange
from tests.servers.exchange.shapes import Shape, build_item
from tests.servers.exchange.soap import Element, FaultError, ItemError, child, elements, m, succeeded, t, text_of


def sync_folder_items(call: Call) -> Element:
    """One page of changes and a new state, which is another one even where nothing changed.

    Masters and singles only: what happens to a date is a change of its master.

    Raises:
        FaultError: more or fewer changes are asked for than are given at once.
        ItemError: ErrorInvalidSyncStateData (CDATA R518): the state is not ours, of another folder, or has been forgotten.
    """
    box, folder = call.target("SyncFolderId", "calendar")
    most = int(text_of(call.request, "MaxChangesReturned"))
    if not 1 <= most <= 512:  # R389; the schema refuses it before, where it is at hand
        raise FaultError("ErrorSchemaValidation", "MaxChangesReturned must be between 1 and 512.")
    shape = Shape.read(child(call.request, "ItemShape"), limited=True, complain=call.exchange.complain)
    state = text_of(call.request, "SyncState")
    known = _known(call.exchange, state, (box.number, folder)) if state else {}
    ignored = {one.get("Id") for one in elements(child(call.request, "Ignore"))}
    present = {item.serial: item for item in box.folder(folder) if item.id not in ignored}
    news = sorted((one for one in present.values() if known.get(one.serial) != one.version), key=lambda one: one.version)
    gone = [serial for serial in known if serial not in box.items or box.items[serial].folder != folder]
    changes = m("Changes")
    page_gone = gone[:most]
    page = news[: most - len(page_gone)]
    seen = dict(known)
    for serial in page_gone:
        changes.append(t("Delete", t("ItemId", Id=box.id_of(serial))))
        del seen[serial]
    for item in page:
        changes.append(t("Update" if item.serial in known else "Create", build_item(item, shape)))
        seen[item.serial] = item.version
    token = base64.b64encode(f"sync/{next(call.exchange.tokens)}/{folder}".encode()).decode()
    call.exchange.snapshots[token] = (box.number, folder, seen)
    done = len(page_gone) + len(page) == len(gone) + len(news)
    return succeeded("SyncFolderItems", m("SyncState", text=token), m("IncludesLastItemInRange", text=done), changes)


def _known(exchange: Exchange, token: str, where: tuple[int, str]) -> dict[int, int]:
    number, folder, known = exchange.snapshots.get(token, (0, "", {}))
    if (number, folder) != where:
        raise ItemError("ErrorInvalidSyncStateData", "Synchronization state data is corrupt or otherwise invalid.")
    return known
