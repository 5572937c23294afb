"""Bad words at the command line: what is typed, and what the one line says. Wrong use ends with 2, a refusal with 1."""

from __future__ import annotations

Words = tuple[str, ...]

START = ("entry", "add", "X", "--start", "2035-03-06 09:00")
NO_TIME = "is not a time. Write it like “2026-12-01 09:00”, “1.12.2026 09:00” or “tomorrow 14:00”."
NO_DURATION = "is not a duration. Write it like 45m, 1h30m, 2d or PT1H30M."
URL = ("calendar", "add", "K", "--url", "https://calendar.example.org/anna/")

WRONG_USE: dict[str, tuple[Words, str]] = {
    "a noun with a typo": (("entri", "list"), "No such command 'entri'. Did you mean 'entry'? See: sitzungsplaner --help"),
    "a verb with a typo": (("entry", "lisst"), "No such command 'lisst'. Did you mean 'list'? See: sitzungsplaner entry --help"),
    "an option with a typo": (("entry", "list", "--undatd"), "No such option: --undatd (Possible options: --undated)."),
    "a number that is none": (
        ("entry", "list", "--limit", "viele"),
        "Invalid value for '--limit': Input should be a valid integer",
    ),
    "a number too small": (
        ("entry", "list", "--limit", "0"),
        "Invalid value for '--limit': Input should be greater than or equal",
    ),
    "two lists at once": (("entry", "list", "--past", "--all"), "--all and --past exclude each other. Give one of them."),
    "no title": (("entry", "add"), "Missing argument 'TITLE'. See: sitzungsplaner entry add --help"),
    "an option without its value": (("entry", "add", "X", "--start"), "Option '--start' requires an argument."),
    "an option of before the noun": (
        ("entry", "list", "--owner", "a@b"),
        "--owner stands before the first word: sitzungsplaner --owner … entry list.",
    ),
    "a word too many": (("status", "now"), "Got unexpected extra argument(s) (now). See: sitzungsplaner status --help"),
    "a time in words that nobody knows": (
        ("entry", "add", "X", "--start", "gestern"),
        f"Invalid value for '--start': “gestern” {NO_TIME} See: sitzungsplaner entry add --help",
    ),
    "30 February": (("entry", "add", "X", "--start", "2035-02-30 09:00"), f"“2035-02-30 09:00” {NO_TIME}"),
    "25 o'clock": (("entry", "add", "X", "--start", "6.3.2035 25:00"), f"“6.3.2035 25:00” {NO_TIME}"),
    "a duration without unit": ((*START, "--duration", "90"), f"Invalid value for '--duration': “90” {NO_DURATION}"),
    "a reminder in words": ((*START, "--remind", "bald"), f"Invalid value for '--remind': “bald” {NO_DURATION}"),
    "reminders and none": ((*START, "--no-reminder", "--remind", "1h"), "--remind and --no-reminder exclude each other."),
    "a recurrence in words that nobody knows": (
        (*START, "--repeat", "sometimes"),
        "“sometimes” is none of daily, workdays, weekly, monthly, yearly. For anything else there is --rrule.",
    ),
    "an end without recurrence": (
        (*START, "--count", "3"),
        "Invalid value for '--count': It needs --repeat, which says how often.",
    ),
    "two ends": (
        (*START, "--repeat", "weekly", "--count", "3", "--until", "2035-05-01"),
        "Invalid value for '--until': A series ends in one way: give --count or --until.",
    ),
    "an end with a time of day": (
        (*START, "--repeat", "weekly", "--until", "2035-05-01 10:00"),
        "“2035-05-01 10:00” is not a day. Write it like “2026-12-31” or “31.12.2026”.",
    ),
    "a rule and more": (
        (*START, "--repeat", "weekly", "--rrule", "FREQ=DAILY"),
        "It says everything itself; leave the other options of recurrence out.",
    ),
    "two descriptions": (
        (*START, "--description", "a", "--description-file", "b"),
        "--description and --description-file exclude each other. Give one of them.",
    ),
    "an empty name": (("entry", "show", ""), "Invalid value for 'ENTRY': Name an entry by its number or title."),
    "a move to nowhere": (("entry", "move", "Haushalt"), 'Say where to, like --start "2026-12-01 09:00".'),
    "an edit of nothing": (
        ("entry", "edit", "Haushalt"),
        "Error: Say what is to become different, like --title or --location. See: sitzungsplaner entry edit --help",
    ),
    "a date and none": (
        ("entry", "edit", "Haushalt", "--start", "2035-03-07 09:00", "--no-date"),
        "--start and --no-date exclude each other. Give one of them.",
    ),
    "nobody to take off": (("entry", "uninvite", "Haushalt"), "Missing argument 'PERSON...'."),
    "no file to import": (("entry", "import"), "Missing argument 'FILE...'."),
    "an owner's edit of nothing": (
        ("owner", "edit", "anna@example.org"),
        "Say what is to become different, like --name or --zone.",
    ),
    "a calendar without address": (("calendar", "add", "K"), "Missing option '--url'. See: sitzungsplaner calendar add --help"),
    "two passwords": (
        (*URL, "--password-stdin", "--password-ref", "web"),
        "--password-stdin and --password-ref exclude each other.",
    ),
    "a header without value": ((*URL, "--header", "X-Foo"), "Invalid value for '--header': Write a header as NAME=VALUE."),
    "an unknown sender": ((*URL, "--sender", "post"), "Invalid value for '--sender': “post” is none of planner, calendar, auto."),
    "a guess without a look": (
        (*URL, "--sender", "auto", "--no-probe"),
        "Only a probe tells whether the server sends invitations.",
    ),
    "a backup into nothing": (("db", "backup"), "Missing argument 'FILE'. See: sitzungsplaner db backup --help"),
}

REFUSED: dict[str, tuple[Words, str]] = {
    "a blank title": (("entry", "add", " "), "An entry needs a title: say what the session is about."),
    "a title too long": (
        ("entry", "add", "x" * 201),
        "The title has 201 characters; at most 200 fit. Put the rest into the description.",
    ),
    "a day without a time of day": (
        ("entry", "add", "X", "--start", "6.3.2035"),
        "“2035-03-06” has no time of day. Add one, like 2035-03-06T09:00, or plan the whole day.",
    ),
    "a year out of reach": (
        ("entry", "add", "X", "--start", "1850-03-06 09:00"),
        "The year 1850 is out of reach: 1971 to 2200 can be planned.",
    ),
    "an unknown zone": ((*START, "--zone", "Europe/Berln"), "There is no time zone “Europe/Berln”. Did you mean Europe/Berlin"),
    "no duration": (
        (*START, "--duration", "0m"),
        "The duration must be more than nothing and at most 31 days, like 45m or 1h30m.",
    ),
    "a duration too long": ((*START, "--duration", "40d"), "The duration must be more than nothing and at most 31 days"),
    "an hourly rule": ((*START, "--rrule", "FREQ=HOURLY"), "A session repeats DAILY, WEEKLY, MONTHLY or YEARLY, not “HOURLY”."),
    "a rule without frequency": ((*START, "--rrule", "BYDAY=MO"), "The rule does not say how often the session repeats"),
    "a rule that never matches": (
        (*START, "--rrule", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
        "The rule never matches: there is no such day within 200 years after the start.",
    ),
    "an end before the start": (
        (*START, "--repeat", "weekly", "--until", "2034-01-01"),
        "The series ends (2034-01-01) before it starts (2035-03-06). Choose a later UNTIL.",
    ),
    "a recurrence without a date": (
        ("entry", "add", "X", "--repeat", "weekly"),
        "A recurrence needs a date: say when the first session starts.",
    ),
    "an address without a domain": (
        (*START, "--attendee", "ben"),
        "“ben” is not a mail address. Write it like anna@example.org.",
    ),
    "an address with a blank": ((*START, "--attendee", "ben@exa mple.org"), "“ben@exa mple.org” is not a mail address."),
    "an address with an umlaut": (
        (*START, "--attendee", "bén@example.org"),
        "the part before @ has letters that most mail servers",
    ),
    "somebody twice": (
        (*START, "--attendee", "Ben <ben@example.org>", "--optional", "BEN@example.org"),
        "ben@example.org is on the list twice. Name each person once.",
    ),
    "the service itself": (
        (*START, "--attendee", "sitzung@example.org"),
        "sitzung@example.org is this service's own mailbox: it reads the answers and cannot be invited.",
    ),
    "a reminder years before": (
        (*START, "--remind", "2000d"),
        "A reminder comes before the start, by at most a year, like 24h or 15m.",
    ),
    "an unknown calendar": (
        (*START, "--calendar", "Nirgends"),
        "There is no calendar “Nirgends”. sitzungsplaner calendar list shows all.",
    ),
    "a sender that is none": ((*START, "--sender", "post"), "sender must be one of planner, calendar."),
    "a calendar as sender where none is": (
        (*START, "--sender", "calendar"),
        "No calendar is set that could send the invitations. Name one, or let the planner send them.",
    ),
    "a description that is missing": (
        (*START, "--description-file", "/missing/text"),
        "/missing/text cannot be read: No such file or directory.",
    ),
    "an unknown owner": (
        ("--owner", "otto@example.org", "entry", "list"),
        "There is no owner “otto@example.org”. sitzungsplaner owner list shows all.",
    ),
    "an owner who is no address": (("--owner", "kein Mensch", "entry", "list"), "“kein Mensch” is not a mail address."),
    "an unknown entry": (
        ("entry", "show", "Unbekannt"),
        "There is no entry “Unbekannt”. Name it by its number, its id, or the beginning of its title.",
    ),
    "a number with a typo": (
        ("entry", "show", "123-456-789"),
        "There is a typo in 123-456-789: no session has this number. Compare it with the invitation.",
    ),
    "a date that the series has not": (
        ("entry", "move", "Haushalt", "--start", "2035-03-08 09:00", "--date", "2035-03-07 09:00"),
        "“Haushalt” has no date 2035-03-07 09:00. `entry show` lists its dates; name one by its original start.",
    ),
    "one date of a single session": (
        ("entry", "cancel", "Einzeln", "--date", "2035-03-06 09:00"),
        "“Einzeln” is a single session: change it without naming a date.",
    ),
    "a longer session without date": (
        ("entry", "move", "Undatiert", "--duration", "1h"),
        "“Undatiert” has no date yet: say when",
    ),
    "a second cancellation": (("entry", "cancel", "Abgesagt"), "“Abgesagt” is cancelled already; nobody is told again."),
    "an invitation without date": (
        ("entry", "invite", "Undatiert", "ben@example.org"),
        "“Undatiert” has no date, so there is no meeting request to send. Give it a date with `entry move`, or",
    ),
    "an invitation to what is cancelled": (
        ("entry", "invite", "Abgesagt", "ben@example.org"),
        "“Abgesagt” is cancelled. Give it a new date with `entry move` before inviting.",
    ),
    "an invitation to nobody": (("entry", "invite", "Einzeln"), "“Einzeln” has nobody on its list. Say whom to invite."),
    "a stranger taken off": (
        ("entry", "uninvite", "Haushalt", "zoe@example.org"),
        "zoe@example.org is not on the list of “Haushalt”; nothing was changed.",
    ),
    "an announced date taken away": (
        ("entry", "edit", "Haushalt", "--no-date"),
        "“Haushalt” was announced with its date. Cancel it first if the date shall go.",
    ),
    "an export without date": (
        ("entry", "export", "Undatiert"),
        "“Undatiert” has no date, so there is no calendar file of it. `entry text` gives its text.",
    ),
    "a language that nobody speaks here": (("entry", "text", "Haushalt", "--language", "fr"), "language must be one of de, en."),
    "an owner twice": (("owner", "add", "Anna@example.org"), "There is an owner with the address anna@example.org already."),
    "an owner's zone without continent": (
        ("owner", "add", "otto@example.org", "--zone", "Berlin"),
        "There is no time zone “Berlin”. Did you mean Europe/Berlin?",
    ),
    "the service as owner": (
        ("owner", "add", "sitzung@example.org"),
        "sitzung@example.org is this service's own mailbox and cannot",
    ),
    "a calendar by ftp": (
        ("calendar", "add", "K", "--url", "ftp://calendar.example.org"),
        "The address of a calendar begins with https:// (or http://) and has no blanks.",
    ),
    "a password in the address": (
        ("calendar", "add", "K", "--url", "https://anna:geheim@calendar.example.org/"),
        "The address of a calendar must not contain a password. Give user name and password apart.",
    ),
    "a calendar that nobody serves": (
        ("calendar", "add", "K", "--url", "http://127.0.0.1:9/"),
        "127.0.0.1:9 could not be reached",
    ),
    "an unknown reference": (
        (*URL, "--password-ref", "web"),
        "The configuration has no password named “web” (known: none yet). Set calendars.secrets.web.password_file and restart",
    ),
    "work that is not there": (("work", "show", "mail:x"), "There is no work “mail:x”. It may be done by now."),
    "a mail that is not there": (("answer", "show", "x"), "There is no received mail “x”."),
    "an outcome that is none": (
        ("answer", "list", "--outcome", "gut"),
        "outcome must be one of applied, ignored, held, rejected",
    ),
    "an empty pipe": (("answer", "ingest"), "standard input is empty. Nothing was read."),
    "a backup into nowhere": (("db", "backup", "/missing/x.db"), "/missing/x.db cannot be written: No such file or directory."),
}
