"""Which properties an item has, who may write them, and in which order the schema wants them."""

from __future__ import annotations

# The order of elements (types.xsd): those that are imitated, or that a client may ask for although this server never has them.
ITEM = (
    *(
        "MimeContent",
        "ItemId",
        "ParentFolderId",
        "ItemClass",
        "Subject",
        "Sensitivity",
        "Body",
        "Attachments",
        "DateTimeReceived",
    ),
    *("Size", "Categories", "Importance", "InReplyTo", "IsSubmitted", "IsDraft", "IsFromMe", "IsResend", "IsUnmodified"),
    *("InternetMessageHeaders", "DateTimeSent", "DateTimeCreated", "ResponseObjects", "ReminderDueBy", "ReminderIsSet"),
    *(
        "ReminderNextTime",
        "ReminderMinutesBeforeStart",
        "DisplayCc",
        "DisplayTo",
        "HasAttachments",
        "ExtendedProperty",
        "Culture",
    ),
    *("EffectiveRights", "LastModifiedName", "LastModifiedTime", "IsAssociated", "WebClientReadFormQueryString"),
    *("WebClientEditFormQueryString", "ConversationId", "UniqueBody", "TextBody"),
)
CALENDAR = (
    *(
        "UID",
        "RecurrenceId",
        "DateTimeStamp",
        "Start",
        "End",
        "OriginalStart",
        "IsAllDayEvent",
        "LegacyFreeBusyStatus",
        "Location",
    ),
    *("When", "IsMeeting", "IsCancelled", "IsRecurring", "MeetingRequestWasSent", "IsResponseRequested", "CalendarItemType"),
    *("MyResponseType", "Organizer", "RequiredAttendees", "OptionalAttendees", "Resources", "ConflictingMeetingCount"),
    *("AdjacentMeetingCount", "ConflictingMeetings", "AdjacentMeetings", "Duration", "TimeZone", "AppointmentReplyTime"),
    *("AppointmentSequenceNumber", "AppointmentState", "Recurrence", "FirstOccurrence", "LastOccurrence", "ModifiedOccurrences"),
    *("DeletedOccurrences", "MeetingTimeZone", "StartTimeZone", "EndTimeZone", "ConferenceType", "AllowNewTimeProposal"),
    *(
        "IsOnlineMeeting",
        "MeetingWorkspaceUrl",
        "NetShowUrl",
        "StartWallClock",
        "EndWallClock",
        "StartTimeZoneId",
        "EndTimeZoneId",
    ),
    *("IsOrganizer",),
)
MESSAGE = (
    *("Sender", "ToRecipients", "CcRecipients", "BccRecipients", "IsReadReceiptRequested", "IsDeliveryReceiptRequested"),
    *("ConversationIndex", "ConversationTopic", "From", "InternetMessageId", "IsRead", "References", "ReplyTo", "ReceivedBy"),
    "ReceivedRepresenting",
)
MEETING = (
    *("AssociatedCalendarItemId", "IsDelegated", "IsOutOfDate", "HasBeenProcessed", "ResponseType", "UID", "RecurrenceId"),
    *("DateTimeStamp", "IsOrganizer"),
)
_REQUEST_SKIPS = {"UID", "RecurrenceId", "DateTimeStamp", "IsResponseRequested", "IsOrganizer"}
ORDER = {
    "CalendarItem": (*ITEM, *CALENDAR),
    "Message": (*ITEM, *MESSAGE),
    "MeetingRequest": (
        *(*ITEM, *MESSAGE, *MEETING, "MeetingRequestType", "IntendedFreeBusyStatus"),
        *(name for name in CALENDAR if name not in _REQUEST_SKIPS),
    ),
    "MeetingResponse": (
        *(*ITEM, *MESSAGE, *MEETING),
        *("Start", "End", "Location", "Recurrence", "CalendarItemType", "ProposedStart", "ProposedEnd"),
    ),
    "MeetingCancellation": (*ITEM, *MESSAGE, *MEETING, "Start", "End", "Location", "Recurrence", "CalendarItemType"),
}
KNOWN = frozenset(name for order in ORDER.values() for name in order)

# A client may write these as they are; the value is what a fresh item has, "" for none.
SIMPLE = {
    "ItemClass": "",
    "Subject": "",
    "Sensitivity": "Normal",
    "Importance": "Normal",
    "InReplyTo": "",
    "ReminderDueBy": "",
    "ReminderIsSet": "true",
    "ReminderMinutesBeforeStart": "15",
    "Culture": "en-US",
    "LegacyFreeBusyStatus": "Busy",
    "Location": "",
    "When": "",
    "IsResponseRequested": "true",
    "ConferenceType": "",
    "AllowNewTimeProposal": "true",
    "MeetingWorkspaceUrl": "",
    "NetShowUrl": "",
}
BOOLEAN = frozenset({"ReminderIsSet", "IsResponseRequested", "AllowNewTimeProposal"})
STRUCTURED = frozenset(
    {
        *("Body", "Categories", "ExtendedProperty", "UID", "Start", "End", "IsAllDayEvent", "StartTimeZone", "EndTimeZone"),
        *("RequiredAttendees", "OptionalAttendees", "Resources", "Recurrence"),
    }
)
# The server's own (behaviours 8 and 30). Written, they are ErrorInvalidPropertySet.
READ_ONLY = frozenset(
    {
        *(
            "ItemId",
            "ParentFolderId",
            "DateTimeReceived",
            "Size",
            "IsSubmitted",
            "IsDraft",
            "IsFromMe",
            "IsResend",
            "IsUnmodified",
        ),
        *(
            "InternetMessageHeaders",
            "DateTimeSent",
            "DateTimeCreated",
            "ResponseObjects",
            "ReminderNextTime",
            "DisplayCc",
            "DisplayTo",
        ),
        *(
            "HasAttachments",
            "EffectiveRights",
            "LastModifiedName",
            "LastModifiedTime",
            "IsAssociated",
            "ConversationId",
            "UniqueBody",
        ),
        *("WebClientReadFormQueryString", "WebClientEditFormQueryString", "TextBody", "RecurrenceId", "DateTimeStamp"),
        *(
            "OriginalStart",
            "IsMeeting",
            "IsCancelled",
            "IsRecurring",
            "MeetingRequestWasSent",
            "CalendarItemType",
            "MyResponseType",
        ),
        *("Organizer", "ConflictingMeetingCount", "AdjacentMeetingCount", "ConflictingMeetings", "AdjacentMeetings", "Duration"),
        *(
            "TimeZone",
            "AppointmentReplyTime",
            "AppointmentSequenceNumber",
            "AppointmentState",
            "FirstOccurrence",
            "LastOccurrence",
        ),
        *("ModifiedOccurrences", "DeletedOccurrences", "IsOnlineMeeting", "StartWallClock", "EndWallClock", "StartTimeZoneId"),
        *("EndTimeZoneId", "IsOrganizer"),
    }
)
# Asked for by exchangelib in each plain fetch, and never there. Plain meetings have none of most, so that this is the true
# answer; MimeContent, ConversationId, UniqueBody and the web client's addresses a real server has: rely on none of them.
ABSENT = frozenset(
    {
        *("MimeContent", "Attachments", "InternetMessageHeaders", "ReminderNextTime", "ConflictingMeetings", "AdjacentMeetings"),
        *("WebClientReadFormQueryString", "WebClientEditFormQueryString", "ConversationId", "UniqueBody", "InReplyTo"),
        *(
            "MeetingWorkspaceUrl",
            "NetShowUrl",
            "ConversationIndex",
            "ReceivedBy",
            "ReceivedRepresenting",
            "References",
            "ReplyTo",
        ),
        *("BccRecipients", "InternetMessageId", "CcRecipients"),
    }
)
# FindItem and SyncFolderItems do not give these, asked or not (behaviour 21).
ONLY_BY_GET_ITEM = frozenset(
    {
        *(
            "Body",
            "TextBody",
            "RequiredAttendees",
            "OptionalAttendees",
            "Resources",
            "Recurrence",
            "FirstOccurrence",
            "LastOccurrence",
        ),
        *("ModifiedOccurrences", "DeletedOccurrences", "ResponseObjects", "MeetingTimeZone", "ToRecipients"),
    }
)
# Base shape Default of a calendar item and of a message.
DEFAULT = frozenset(
    {
        *("ItemId", "Subject", "HasAttachments", "ResponseObjects", "Start", "End", "LegacyFreeBusyStatus", "Location"),
        *("CalendarItemType", "Organizer", "RequiredAttendees", "OptionalAttendees", "Resources", "Recurrence", "Body", "IsRead"),
        *("From", "ToRecipients", "ItemClass", "ResponseType"),
    }
)
NOT_SEARCHABLE = frozenset({*ONLY_BY_GET_ITEM, "UID", "StartTimeZone", "EndTimeZone", "ItemId"})
