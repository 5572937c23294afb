"""Recurrence rules in words, in both languages."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.model import Language, When
from daemon.render.rule_words import words

FIRST = When(start=datetime(2026, 12, 1, 9), zone="Europe/Berlin", duration=timedelta(hours=1))  # a Tuesday

RULES = [
    ("FREQ=DAILY", "jeden Tag", "every day"),
    ("FREQ=DAILY;COUNT=5", "jeden Tag, 5 Mal", "every day, 5 times"),
    ("FREQ=DAILY;INTERVAL=3", "alle 3 Tage", "every 3 days"),
    ("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "jeden Werktag (Montag bis Freitag)", "every weekday (Monday to Friday)"),
    ("FREQ=DAILY;BYMONTH=1", "jeden Tag im Januar", "every day in January"),
    ("FREQ=WEEKLY", "jeden Dienstag", "every Tuesday"),
    ("FREQ=WEEKLY;BYDAY=MO,WE;COUNT=10", "jeden Montag und Mittwoch, 10 Mal", "every Monday and Wednesday, 10 times"),
    ("FREQ=WEEKLY;BYDAY=FR,MO,WE", "jeden Montag, Mittwoch und Freitag", "every Monday, Wednesday and Friday"),
    (
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;UNTIL=20270330T070000Z",
        "alle 2 Wochen am Dienstag bis 30. März 2027",
        "every 2 weeks on Tuesday until 30 March 2027",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR;WKST=MO",
        "alle 2 Wochen an jedem Werktag (Montag bis Freitag)",
        "every 2 weeks on every weekday (Monday to Friday)",
    ),
    ("FREQ=WEEKLY;BYDAY=SA,SU", "jeden Samstag und Sonntag", "every Saturday and Sunday"),
    ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU", "jeden Tag", "every day"),
    ("FREQ=WEEKLY;COUNT=1", "jeden Dienstag, einmal", "every Tuesday, once"),
    ("FREQ=MONTHLY", "am 1. jedes Monats", "on the 1st of every month"),
    ("FREQ=MONTHLY;BYMONTHDAY=22", "am 22. jedes Monats", "on the 22nd of every month"),
    ("FREQ=MONTHLY;BYMONTHDAY=13;INTERVAL=2", "alle 2 Monate am 13.", "every 2 months on the 13th"),
    (
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "am 31. jedes Monats (entfällt in Monaten ohne diesen Tag)",
        "on the 31st of every month (skipped in months without that day)",
    ),
    (
        "FREQ=MONTHLY;BYMONTHDAY=30;INTERVAL=3",
        "alle 3 Monate am 30. (entfällt in Monaten ohne diesen Tag)",
        "every 3 months on the 30th (skipped in months without that day)",
    ),
    ("FREQ=MONTHLY;BYMONTHDAY=-1", "am letzten Tag jedes Monats", "on the last day of every month"),
    ("FREQ=MONTHLY;BYMONTHDAY=-2", "am vorletzten Tag jedes Monats", "on the second-to-last day of every month"),
    ("FREQ=MONTHLY;BYMONTHDAY=-3", "am 3.-letzten Tag jedes Monats", "on the 3rd-to-last day of every month"),
    ("FREQ=MONTHLY;BYDAY=-1FR", "am letzten Freitag jedes Monats", "on the last Friday of every month"),
    ("FREQ=MONTHLY;BYDAY=2TU;INTERVAL=3", "alle 3 Monate am zweiten Dienstag", "every 3 months on the second Tuesday"),
    ("FREQ=MONTHLY;BYDAY=1MO,3MO", "am ersten und dritten Montag jedes Monats", "on the first and third Monday of every month"),
    (
        "FREQ=MONTHLY;BYDAY=1MO,1TH",
        "am ersten Montag und Donnerstag jedes Monats",
        "on the first Monday and Thursday of every month",
    ),
    (
        "FREQ=MONTHLY;BYDAY=1MO,3FR",
        "am ersten Montag und am dritten Freitag jedes Monats",
        "on the first Monday and the third Friday of every month",
    ),
    ("FREQ=MONTHLY;BYDAY=MO", "an jedem Montag jedes Monats", "on every Monday of every month"),
    (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1",
        "am ersten Werktag (Montag bis Freitag) jedes Monats",
        "on the first weekday (Monday to Friday) of every month",
    ),
    (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=12",
        "am letzten Werktag (Montag bis Freitag) jedes Monats, 12 Mal",
        "on the last weekday (Monday to Friday) of every month, 12 times",
    ),
    ("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=4", "am vierten Dienstag jedes Monats", "on the fourth Tuesday of every month"),
    (
        "FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=1",
        "am ersten Wochenendtag (Samstag oder Sonntag) jedes Monats",
        "on the first weekend day (Saturday or Sunday) of every month",
    ),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=-1", "am letzten Tag jedes Monats", "on the last day of every month"),
    (
        "FREQ=MONTHLY;BYDAY=MO,WE;BYSETPOS=1",
        "am ersten Montag oder Mittwoch jedes Monats",
        "on the first Monday or Wednesday of every month",
    ),
    ("FREQ=MONTHLY;BYMONTH=3;BYDAY=-1FR", "jedes Jahr am letzten Freitag im März", "every year on the last Friday of March"),
    ("FREQ=YEARLY", "jedes Jahr am 1. Dezember", "every year on 1 December"),
    ("FREQ=YEARLY;INTERVAL=2;COUNT=3", "alle 2 Jahre am 1. Dezember, 3 Mal", "every 2 years on 1 December, 3 times"),
    ("FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=15", "jedes Jahr am 15. März", "every year on 15 March"),
    (
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        "jedes Jahr am 29. Februar (nur in Schaltjahren)",
        "every year on 29 February (leap years only)",
    ),
    ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1", "jedes Jahr am letzten Tag im Februar", "every year on the last day of February"),
    ("FREQ=YEARLY;BYMONTH=3;BYDAY=-1FR", "jedes Jahr am letzten Freitag im März", "every year on the last Friday of March"),
    (
        "FREQ=YEARLY;BYMONTH=1;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1",
        "jedes Jahr am ersten Werktag (Montag bis Freitag) im Januar",
        "every year on the first weekday (Monday to Friday) of January",
    ),
    (
        "FREQ=YEARLY;BYMONTH=9,3;BYDAY=1SU",
        "jedes Jahr am ersten Sonntag im März und September",
        "every year on the first Sunday in March and September",
    ),
    ("FREQ=YEARLY;BYDAY=1MO", "jedes Jahr am ersten Montag des Jahres", "every year on the first Monday of the year"),
    ("FREQ=YEARLY;BYDAY=20MO", "jedes Jahr am 20. Montag des Jahres", "every year on the 20th Monday of the year"),
    ("FREQ=YEARLY;BYMONTHDAY=15", "am 15. jedes Monats", "on the 15th of every month"),
    ("RRULE:FREQ=WEEKLY;BYDAY=TU", "jeden Dienstag", "every Tuesday"),
    ("FREQ=DAILY;UNTIL=20261231", "jeden Tag bis 31. Dezember 2026", "every day until 31 December 2026"),
    ("FREQ=DAILY;UNTIL=20261231T233000Z", "jeden Tag bis 1. Januar 2027", "every day until 1 January 2027"),
]


@pytest.mark.parametrize(("rule", "german", "english"), RULES, ids=[rule for rule, _, _ in RULES])
def test_a_rule_is_said_in_both_languages(rule: str, german: str, english: str) -> None:
    assert words(rule, FIRST, Language.DE) == german
    assert words(rule, FIRST, Language.EN) == english


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=HOURLY",
        "FREQ=YEARLY;BYWEEKNO=20",
        "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR",
        "FREQ=MONTHLY;BYMONTHDAY=1,15",
        "FREQ=DAILY;INTERVAL=2;BYDAY=MO",
        "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=1",
        "FREQ=YEARLY;INTERVAL=2;BYMONTHDAY=15",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=MONTHLY;BYMONTHDAY=77",
        "FREQ=DAILY;UNTIL=soon",
        "FREQ=MONTHLY;BYDAY=MO,1TU",
        "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=0",
        "FREQ=MONTHLY;BYDAY=XX",
        "INTERVAL=0;FREQ=DAILY",
        "no rule at all",
        "",
    ],
)
@pytest.mark.parametrize("language", Language)
def test_a_rule_that_cannot_be_said_in_one_breath_has_no_words(rule: str, language: Language) -> None:
    assert words(rule, FIRST, language) == ""


_NUMBER = st.integers(-400, 400).map(str)
_PART = st.one_of(
    st.tuples(st.just("FREQ"), st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "SECONDLY", "?"])),
    st.tuples(
        st.sampled_from(["INTERVAL", "COUNT", "BYMONTH", "BYMONTHDAY", "BYSETPOS", "BYYEARDAY"]), st.lists(_NUMBER).map(",".join)
    ),
    st.tuples(st.just("BYDAY"), st.lists(st.sampled_from(["MO", "1TU", "-1FR", "0SU", "XX", "", "99SA"])).map(",".join)),
    st.tuples(st.just("UNTIL"), st.sampled_from(["20270330T070000Z", "20270330", "99999999", "Z", "00010101T000000Z"])),
    st.tuples(st.text(max_size=5), st.text(max_size=5)),
)


@given(parts=st.lists(_PART, max_size=6), language=st.sampled_from(Language))
def test_no_rule_of_a_foreign_calendar_can_stop_a_mail(parts: list[tuple[str, str]], language: Language) -> None:
    said = words(";".join(f"{name}={value}" for name, value in parts), FIRST, language)
    assert "\n" not in said
