"""What a delivery report says of whom (RFC 3464). Real ones are read in `tests/planner/test_vendor_answers.py`."""

from __future__ import annotations

from daemon.core.imip import read_mail
from tests.core.test_imip import with_parts

STATUS = """Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; anna@example.org
Action: failed
Status: 5.1.1

""".replace("\n", "\r\n")
TWO = STATUS + "Final-Recipient: rfc822; ben@example.org\r\nAction: delayed\r\nStatus: 4.4.7\r\n\r\n"


def a_report(status: str) -> bytes:
    return with_parts("Content-Type: text/plain\r\n\r\nSorry.", status, kind="multipart/report; report-type=delivery-status")


def test_a_report_that_names_one_other_address_is_about_whoever_was_mailed() -> None:
    """He has his mail forwarded; the report names where it went."""
    report = read_mail(a_report(STATUS)).report
    assert report is not None
    assert report.about("anna@example.org") is report.about("anna@work.example") is report.recipients[0]


def test_of_several_only_the_named_one_is_meant() -> None:
    report = read_mail(a_report(TWO)).report
    assert report is not None
    assert [one.status for one in report.recipients] == ["5.1.1", "4.4.7"]
    assert report.about("ben@example.org") is report.recipients[1]
    assert report.about("anna@work.example") is None
