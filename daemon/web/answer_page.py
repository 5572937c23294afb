"""`/a/TOKEN`: where somebody who is invited answers without a calendar program (design 4.8).

GET and HEAD read and change nothing, so programs that look into links before a person does answer for nobody. Only POST answers.
The token in the address is all the power there is: no cookie, nothing that a browser sends by itself, so no other site can answer
for anybody either. It stands in no log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import wraps
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from daemon.core.errors import Unreachable
from daemon.core.model import Language, PartStat
from daemon.logs import get_logger
from daemon.planner import answering
from daemon.planner.answering import Choice, Invited, LinkAnswer, Taken
from daemon.planner.wishes import Desk
from daemon.render import About, AnswerPage, Notice, PageStage, Renderer, ShownChoice
from daemon.store.engine import Store
from daemon.web.limit import WrongTokens

log = get_logger("pages")

_MOST_BODY = 16 * 1024
_ANSWERS = {one.value: one for one in (PartStat.ACCEPTED, PartStat.TENTATIVE, PartStat.DECLINED)}
_STYLE = "../page.css"
_STATUS = {Taken.RECORDED: 200, Taken.KNOWN: 200, Taken.OUTDATED: 409, Taken.CLOSED: 409}
_MESSAGES = {About.NOWHERE: 404, About.BUSY: 429, About.AWAY: 503, About.FAULT: 500}

Page = Callable[["AnswerPages", Request], Awaitable[Response]]


def _guarded(page: Page) -> Page:
    """Turns whatever goes wrong into a page for a person; refuses who tried too many links that lead nowhere."""

    @wraps(page)
    async def guarded(self: AnswerPages, request: Request) -> Response:
        if self.wrong.too_many(_client(request)):
            return self.message(request, About.BUSY)
        try:
            return await page(self, request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except Unreachable as error:
            log.warning(str(error), action="page-away")
            return self.message(request, About.AWAY)
        except Exception:
            log.exception("a page could not be shown", action="page-failed", method=request.method)
            return self.message(request, About.FAULT)

    return guarded


class AnswerPages:
    """The handlers of the path."""

    def __init__(self, store: Store, desk: Desk, renderer: Renderer, wrong: WrongTokens) -> None:
        self._store, self._desk, self._renderer = store, desk, renderer
        self.wrong = wrong

    @_guarded
    async def show(self, request: Request) -> Response:
        """Show what the link leads to."""
        token = request.path_params["token"]
        invited = await self._store.run(lambda tx: answering.follow(tx, self._desk, token))
        return self.nowhere(request, token) if invited is None else self._page(request, invited, status=200)

    @_guarded
    async def take(self, request: Request) -> Response:
        """Take the answer that was chosen, and show what became of it."""
        token = request.path_params["token"]
        form = _form(await _body(request))
        given = None if form is None else _answer(form)
        if given is None:
            invited = await self._store.run(lambda tx: answering.follow(tx, self._desk, token))
            if invited is None:
                return self.nowhere(request, token)
            return self._page(request, invited, status=400, notice=Notice.UNCLEAR)
        answer = given
        result = await self._store.run(lambda tx: answering.answer(tx, self._desk, token, answer))
        if result is None:
            return self.nowhere(request, token)
        taken, invited = result
        log.info("an answer came by a link", action=f"link-{taken}", uid=invited.entry.uid, attendee=invited.attendee)
        return self._page(request, invited, status=_STATUS[taken], notice=Notice(taken.value), given=answer)

    def nowhere(self, request: Request, token: str | None = None) -> Response:
        """The one page for every link that is unknown, revoked or dead."""
        if token is not None:
            self.wrong.note(_client(request), token)
        return self.message(request, About.NOWHERE)

    def message(self, request: Request, about: About) -> Response:
        """A page that only says something."""
        language = _wanted(request) or self._desk.rules.language
        headers = {"Retry-After": "900"} if about is About.BUSY else {"Retry-After": "120"} if about is About.AWAY else {}
        return HTMLResponse(self._renderer.message_page(language, about, style=_STYLE), _MESSAGES[about], headers)

    def _page(
        self, request: Request, invited: Invited, *, status: int, notice: Notice | None = None, given: LinkAnswer | None = None
    ) -> Response:
        language = _wanted(request) or invited.owner.language
        page = _shown(invited, notice, given)
        return HTMLResponse(self._renderer.answer_page(language, page, style=_STYLE), status)


def _shown(invited: Invited, notice: Notice | None, given: LinkAnswer | None) -> AnswerPage:
    entry, choices = invited.entry, invited.choices
    wanted = given.recurrence_id if given is not None else None
    chosen = next((one for one in choices if one.recurrence_id == wanted), choices[0] if choices else None)
    last = chosen.standing.answer if chosen is not None else None
    kept = given.comment if given is not None and notice is Notice.OUTDATED else last.comment if last is not None else ""
    return AnswerPage(
        title=entry.title,
        owner_name=invited.owner.name,
        owner_email=invited.owner.email,
        attendee=invited.attendee,
        name=invited.name,
        stage=PageStage(invited.stage.value),
        when=choices[0].when if choices else entry.when,
        rrule=entry.rrule or "",
        series=entry.is_series,
        location=entry.location,
        choices=tuple(_choice(one, chosen=one is chosen) for one in choices),
        comment=kept,
        most_comment=answering.MOST_COMMENT,
        notice=notice,
        said=given.partstat if given is not None else None,
    )


def _choice(one: Choice, *, chosen: bool) -> ShownChoice:
    name = "" if one.recurrence_id is None else one.recurrence_id.isoformat()
    return ShownChoice(
        value=f"{name}|{one.about}",
        when=one.when,
        single=one.recurrence_id is not None,
        partstat=one.standing.partstat,
        outdated=one.standing.outdated,
        chosen=chosen,
    )


def _answer(form: dict[str, str]) -> LinkAnswer | None:
    """What was chosen, or None if that cannot be told."""
    partstat = _ANSWERS.get(form.get("partstat", ""))
    name, divided, about = form.get("which", "").partition("|")
    if partstat is None or not divided:
        return None
    try:
        recurrence_id = datetime.fromisoformat(name) if name else None
    except ValueError:
        return None
    if recurrence_id is not None and recurrence_id.tzinfo is not None:
        return None
    return LinkAnswer(partstat=partstat, recurrence_id=recurrence_id, about=about, comment=form.get("comment", ""))


async def _body(request: Request) -> bytes | None:
    """The body, or None if it is larger than any form of ours."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BODY:
            return None
    return body


def _form(body: bytes | None) -> dict[str, str] | None:
    """The first value of each field (application/x-www-form-urlencoded), or None if this is no form."""
    try:
        fields = parse_qs((body or b"").decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="replace")
    except ValueError:
        return None
    return {name: values[0] for name, values in fields.items()}


def _wanted(request: Request) -> Language | None:
    """The language that the browser asks for first (RFC 9110 12.5.4), if it is one of ours."""
    best: tuple[float, Language] | None = None
    for part in request.headers.get("accept-language", "")[:500].split(","):
        name, _, weight = part.strip().partition(";q=")
        language = next((one for one in Language if name.lower().split("-")[0] == one.value), None)
        try:
            quality = float(weight or 1)
        except ValueError:
            continue
        if language is not None and quality > 0 and (best is None or quality > best[0]):
            best = quality, language
    return best[1] if best else None


def _client(request: Request) -> str:
    return request.client.host if request.client else ""
