// Reads calendar objects with ical.js, strictly, and says what it makes of them: a second opinion on what we write.
// In: one JSON value on stdin, {zones: [VTIMEZONE text], from, to, hour, objects: [VCALENDAR text]}.
// Out: one JSON value, {zones: [[[offset in seconds, number of days], ...], ...], objects: [{complaints, events}, ...]}.
import { readFileSync } from "node:fs";
import ICAL from "ical.js";

ICAL.design.strict = true;
const DAY = 86_400_000;
const KNOWN = ICAL.design.icalendar;

const warned = [];
for (const kind of ["warn", "error", "log"]) console[kind] = (...words) => warned.push(words.join(" "));

// The offset at this hour on each day from `from` to `to` (inclusive, ISO dates), as runs of equal ones.
function offsets(text, from, to, hour) {
  const zone = new ICAL.Timezone(new ICAL.Component(ICAL.parse(text)));
  const runs = [];
  for (let day = Date.parse(from); day <= Date.parse(to); day += DAY) {
    const date = new Date(day);
    const time = new ICAL.Time(
      { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(), hour, minute: 0, second: 0 },
      zone,
    );
    const offset = zone.utcOffset(time);
    if (runs.length && runs.at(-1)[0] === offset) runs.at(-1)[1] += 1;
    else runs.push([offset, 1]);
  }
  return runs;
}

// What ical.js would rather not have read: its own complaints, and names and values that it takes as they come.
function complaintsOf(component) {
  const found = [];
  for (const property of component.getAllProperties()) {
    const [name, parameters, type] = property.toJSON();
    if (!(name in KNOWN.property) && !name.startsWith("x-")) found.push(`unknown property ${name}`);
    if (type === "unknown" && !name.startsWith("x-")) found.push(`${name} has a value of no known kind`);
    for (const parameter of Object.keys(parameters))
      if (!(parameter in KNOWN.param) && !["cn", "email", "rsvp", "sent-by", "tzid"].includes(parameter)) found.push(`unknown parameter ${parameter}`);
    for (const value of property.getValues()) {
      if (typeof value?.isValid === "function" && !value.isValid()) found.push(`${name} has an invalid value`);
      if (value instanceof ICAL.Time && parameters.tzid && !value.zone) found.push(`${name} names an unknown zone`);
    }
  }
  return found.concat(...component.getAllSubcomponents().map(complaintsOf));
}

function unfolded(text) {
  return text.replaceAll("\r\n ", "");
}

function seen(text) {
  warned.length = 0;
  const calendar = new ICAL.Component(ICAL.parse(text));
  const zones = new Map(
    calendar.getAllSubcomponents("vtimezone").map((one) => [one.getFirstPropertyValue("tzid"), new ICAL.Timezone(one)]),
  );
  const instant = (component, name) => {
    const property = component.getFirstProperty(name);
    if (!property) return null;
    const time = property.getFirstValue().clone();
    if (time.isDate) return time.toString();
    const tzid = property.getParameter("tzid");
    if (tzid) {
      if (!zones.has(tzid)) throw new Error(`${name} names ${tzid}, which is not defined`);
      time.zone = zones.get(tzid);
    }
    return time.convertToZone(ICAL.Timezone.utcTimezone).toString();
  };
  const events = calendar.getAllSubcomponents("vevent").map((one) => {
    const event = new ICAL.Event(one, { strictExceptions: true });
    return {
      uid: event.uid,
      sequence: event.sequence,
      summary: event.summary,
      start: instant(one, "dtstart"),
      end: instant(one, "dtend"),
      recurrenceId: instant(one, "recurrence-id"),
      organizer: event.organizer,
      attendees: event.attendees.map((person) => person.getFirstValue()),
    };
  });
  const complaints = complaintsOf(calendar).concat(warned);
  // Written out again it is the same, up to the order of parameters: nothing was read differently or dropped.
  const sorted = (lines) =>
    unfolded(lines).split("\r\n").filter(Boolean).map((line) => [...line.replaceAll('"', "")].sort().join("")).join("\n");
  if (sorted(calendar.toString()) !== sorted(text)) complaints.push("it writes the object differently");
  return { complaints, method: calendar.getFirstPropertyValue("method"), events };
}

const task = JSON.parse(readFileSync(0, "utf-8"));
process.stdout.write(
  JSON.stringify({
    zones: (task.zones ?? []).map((text) => offsets(text, task.from, task.to, task.hour)),
    objects: (task.objects ?? []).map(seen),
  }),
);
