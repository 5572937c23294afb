"""The words of EWS: namespaces, elements, the two ways to say no. No operation is known here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

Element = etree._Element

S = "http://schemas.xmlsoap.org/soap/envelope/"
M = "http://schemas.microsoft.com/exchange/services/2006/messages"
T = "http://schemas.microsoft.com/exchange/services/2006/types"
E = "http://schemas.microsoft.com/exchange/services/2006/errors"
NAMES = {"s": S, "m": M, "t": T, "e": E}

# What a person reads in MessageText; codes that are not here say their own name.
TEXTS = {
    "ErrorItemNotFound": "The specified object was not found in the store.",
    "ErrorFolderNotFound": "The specified folder could not be found in the store.",
    "ErrorServerBusy": "The server cannot service this request right now. Try again later.",
    "ErrorInternalServerError": "An internal server error occurred. The operation failed.",
    "ErrorIrresolvableConflict": "The send or update operation could not be performed because the change key passed in the "
    "request does not match the current change key for the item.",
    "ErrorInvalidPropertySet": "Set action is invalid for property.",
    "ErrorMailboxMoveInProgress": "Mailbox move in progress. Try again later.",
}


@dataclass
class ItemError(Exception):
    """One item, folder or date of a request is refused; the others of the batch go on (HTTP 200, ResponseClass Error)."""

    code: str
    text: str = ""
    values: tuple[tuple[str, str], ...] = ()  # MessageXml

    @property
    def words(self) -> str:
        return self.text or TEXTS.get(self.code, f"{self.code}.")


@dataclass
class FaultError(Exception):
    """The request as a whole is refused: a SOAP fault with HTTP 500."""

    code: str
    text: str = ""
    back_off_ms: int | None = None
    line: tuple[int, int] | None = None  # line and column of a violation of the schema

    @property
    def words(self) -> str:
        return self.text or TEXTS.get(self.code, f"{self.code}.")


def _make(namespace: str, name: str, children: Sequence[Element | None], text: object, attributes: dict[str, object]) -> Element:
    made = etree.Element(f"{{{namespace}}}{name}", nsmap={"m": M, "t": T})
    for key, value in attributes.items():
        if value is not None:
            made.set(key, spelled(value))
    if text is not None:
        made.text = spelled(text)
    made.extend([child for child in children if child is not None])
    return made


def t(name: str, *children: Element | None, text: object = None, **attributes: object) -> Element:
    """An element of the types namespace; a child that is None is left out."""
    return _make(T, name, children, text, attributes)


def m(name: str, *children: Element | None, text: object = None, **attributes: object) -> Element:
    """An element of the messages namespace; a child that is None is left out."""
    return _make(M, name, children, text, attributes)


def spelled(value: object) -> str:
    """A value as EWS writes it: instants in UTC with Z, booleans in small letters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def name_of(element: Element) -> str:
    return etree.QName(element).localname


def child(element: Element, name: str) -> Element | None:
    """The first child with this local name."""
    return next((one for one in elements(element) if name_of(one) == name), None)


def elements(element: Element | None) -> Iterator[Element]:
    """The children that are elements: no comments, no processing instructions."""
    if element is not None:
        yield from (one for one in element if isinstance(one.tag, str))


def text_of(element: Element | None, name: str, default: str = "") -> str:
    found = child(element, name) if element is not None else None
    return (found.text or "") if found is not None else default


def envelope(body: Element, *, header: bool = True) -> bytes:
    """The bytes of an answer, with the version header real servers send: build 15.2 is Exchange 2019 and SE."""
    made = etree.Element(f"{{{S}}}Envelope", nsmap={"s": S})
    if header:
        version = etree.SubElement(etree.SubElement(made, f"{{{S}}}Header"), f"{{{T}}}ServerVersionInfo", nsmap={"h": T})
        for key, value in zip(
            ("MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber", "Version"),
            ("15", "2", "1748", "10", "V2017_07_11"),
            strict=True,
        ):
            version.set(key, value)
    etree.SubElement(made, f"{{{S}}}Body").append(body)
    return etree.tostring(made, xml_declaration=True, encoding="utf-8")


def fault_body(fault: FaultError) -> Element:
    """`s:Fault` as in the recorded answers: the code is in the detail, with the back-off as a value."""
    body = etree.Element(f"{{{S}}}Fault", nsmap={"s": S})
    code = etree.SubElement(body, "faultcode", nsmap={"a": T})
    code.text = f"a:{fault.code}"
    words = etree.SubElement(body, "faultstring")
    words.set("{http://www.w3.org/XML/1998/namespace}lang", "en-US")
    words.text = fault.words
    detail = etree.SubElement(body, "detail")
    for name, text in (("ResponseCode", fault.code), ("Message", fault.words)):
        etree.SubElement(detail, f"{{{E}}}{name}", nsmap={"e": E}).text = text
    values = t("MessageXml")
    if fault.back_off_ms is not None:
        values.append(t("Value", text=fault.back_off_ms, Name="BackOffMilliseconds"))
    if fault.line is not None:
        values.extend(
            [t("LineNumber", text=fault.line[0]), t("LinePosition", text=fault.line[1]), t("Violation", text=fault.words)]
        )
    if len(values):
        detail.append(values)
    return body


def succeeded(operation: str, *content: Element | None) -> Element:
    """One response message that says NoError."""
    return m(f"{operation}ResponseMessage", m("ResponseCode", text="NoError"), *content, ResponseClass="Success")


# What stands empty in an error's message, by operation (recorded/pyexchange, FOLDER_DOES_NOT_EXIST and others).
EMPTY = {
    "CreateItem": "Items",
    "GetItem": "Items",
    "UpdateItem": "Items",
    "GetFolder": "Folders",
}


def failed(operation: str, error: ItemError) -> Element:
    """One response message that refuses: text, code, DescriptiveLinkKey 0, and the empty container of the operation."""
    values = m("MessageXml", *(t("Value", text=text, Name=name) for name, text in error.values)) if error.values else None
    return m(
        f"{operation}ResponseMessage",
        m("MessageText", text=error.words),
        m("ResponseCode", text=error.code),
        m("DescriptiveLinkKey", text=0),
        values,
        m(EMPTY[operation]) if operation in EMPTY else None,
        ResponseClass="Error",
    )
