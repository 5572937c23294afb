"""What a page shows, as variables of its template: dates in words, cleaned texts. Not here: who may see what (`planner`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from daemon.core.model import Language, PartStat, When
from daemon.render import dates
from daemon.render.lines import one_line, safe
from daemon.render.rule_words import words


class PageStage(StrEnum):
    """Whether there is something to answer, and why not."""

    OPEN = "open"
    CANCELLED = "cancelled"
    OVER = "over"
    UNDATED = "undated"


class Notice(StrEnum):
    """What became of what was just sent."""

    RECORDED = "recorded"
    KNOWN = "known"  # it says what was said before; nothing was changed
    OUTDATED = "outdated"  # what was shown is not what is planned any more
    CLOSED = "closed"  # nothing can be answered (any more)
    UNCLEAR = "unclear"  # no answer was chosen


class About(StrEnum):
    """What a page is about that only says something."""

    NOWHERE = "nowhere"  # a link that is unknown or dead
    BUSY = "busy"  # too many of those
    AWAY = "away"  # the database cannot be reached
    FAULT = "fault"  # an error of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChoice:
    """Something that can be answered. `value` comes back with the form. `single`: one date of a series.

    `partstat` is what holds for it; NEEDS-ACTION and `outdated`: answered before it was moved. `chosen`: marked at first.
    """

    value: str
    when: When
    single: bool
    partstat: PartStat
    outdated: bool
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPage:
    """The page where somebody who is invited answers.

    `notice` is about what he just sent, and `said` is what he said in it. `name` is his, or "". Of a series, `when` is the next
    date.
    """

    title: str
    owner_name: str
    owner_email: str
    attendee: str
    name: str
    stage: PageStage
    when: When | None
    rrule: str
    series: bool
    location: str
    choices: tuple[ShownChoice, ...]
    comment: str
    most_comment: int
    notice: Notice | None = None
    said: PartStat | None = None


def page_view(page: AnswerPage, language: Language) -> dict[str, Any]:
    """Return the variables of `web/answer.html`."""
    name = one_line(page.name, 100)
    return {
        "title": one_line(page.title) or "–",
        "owner": one_line(page.owner_name, 100) or page.owner_email,
        "owner_email": page.owner_email,
        "person": f"{name} ({page.attendee})" if name and name != page.attendee else page.attendee,
        "stage": page.stage.value,
        "tone": "stop" if page.stage is PageStage.CANCELLED else "",
        "when": dates.long_date(page.when, language) if page.when else "",
        "rule": words(page.rrule, page.when, language) if page.rrule and page.when else "",
        "series": page.series,
        "location": one_line(page.location),
        "choices": tuple(_choice(one, language) for one in page.choices),
        "comment": safe(page.comment),
        "most_comment": page.most_comment,
        "notice": page.notice.value if page.notice else "",
        "said": page.said.value if page.said else "",
    }


def _choice(one: ShownChoice, language: Language) -> dict[str, Any]:
    return {
        "value": one.value,
        "when": dates.list_date(one.when, language),
        "single": one.single,
        "partstat": "" if one.partstat is PartStat.NEEDS_ACTION else one.partstat.value,
        "outdated": one.outdated,
        "chosen": one.chosen,
    }
