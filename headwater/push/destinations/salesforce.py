"""Salesforce: people as contacts or leads, what they did as tasks, opportunities or objects of your own.

Belongs here: which record an event becomes, as tables; one request's JSON; results by record. Does not belong here:
fetching the access token (`headwater.push.oauth`).

By Salesforce's pages «REST API Developer Guide» (upsert records using sObject collections, status codes and error
responses), «API request limits and allocations», «OAuth 2.0 client credentials flow» and the field lengths of the
«Object Reference»: `PATCH /services/data/v<n>/composite/sobjects/<Object>/<External id field>` with `allOrNone: false`
and at most 200 records of one object; 200 carries the results in request order: `success`, `errors` of `statusCode`,
`message`, `fields`. A record is found by the value of a field that is marked as «External ID» and «Unique»; one value
twice in a request is refused. `403 REQUEST_LIMIT_EXCEEDED` means busy: the day's requests (by edition and licences) or
too many long ones at once. A session that ended is `401 INVALID_SESSION_ID`.

Read there: the request, 200 records of one type, external ids only, results in order, 400 for what is malformed, 403
for too many requests. From memory, not verified here: that one value twice is refused, the field lengths, 401's word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import ConfigError, UnavailableError
from headwater.event import iso
from headwater.push import mapping, spec
from headwater.push.destinations.base import Answer, Call, EventDestination, Outcome, Request, StreamEvent, Streaming
from headwater.push.rounds import rounds


class Rule(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The record that an event becomes.

    Attributes:
        object: its type.
        id_field: the external id field that finds it again.
        id_from: what stands in that field: a path in the event (`properties.order_id`) or a word of `COMPUTED`.
        fields: Salesforce's field → a path in the event, or a word of `COMPUTED`.
        constants: Salesforce's field → what always stands there.
        person: the relationship that ties it to the person by our user id (`Who`, `Contact__r`); empty: none.
    """

    object: str
    id_field: str
    id_from: str = "$message_id"
    fields: dict[str, str] = {}
    constants: dict[str, Any] = {}
    person: str = ""


COMPUTED: Mapping[str, Callable[[spec.Payload], Any]] = {
    "$message_id": lambda payload: payload.get("messageId"),
    "$event": spec.event_name,
    "$user_id": spec.user_id,
    "$email": spec.email,
    "$revenue": spec.revenue,
    "$currency": spec.currency,
    "$order_id": spec.order_id,
    "$products": lambda payload: ", ".join(str(p["name"]) for p in spec.products(payload) if p.get("name")) or None,
    "$properties": lambda payload: mapping.text(spec.properties(payload)),
    "$date": lambda payload: f"{at:%Y-%m-%d}" if (at := mapping.time_of(payload)) else None,
    "$time": lambda payload: iso(at) if (at := mapping.time_of(payload)) else None,
}
"""Words of a rule that are no paths."""

TASK = Rule(
    object="Task",
    id_field="Headwater_Message_Id__c",
    fields={"Subject": "$event", "Description": "$properties", "ActivityDate": "$date"},
    constants={"Status": "Completed", "Priority": "Normal"},
)
"""A finished task: what a track becomes that has no rule of its own."""

_ORDER = Rule(object="Opportunity", id_field="Headwater_Order_Id__c", id_from="$order_id")
ORDERS = {
    "Order Completed": msgspec.structs.replace(
        _ORDER,
        fields={"Name": "$order_id", "Amount": "$revenue", "CloseDate": "$date", "Description": "$products"},
        constants={"StageName": "Closed Won"},
    ),
    "Order Cancelled": msgspec.structs.replace(
        _ORDER,
        fields={"Name": "$order_id", "Amount": "$revenue", "CloseDate": "$date"},
        constants={"StageName": "Closed Lost"},
    ),
}
"""The spec's order events as opportunities, with `settings.opportunities`."""

_NAMES = {"FirstName": ("firstName",), "LastName": ("lastName",), "Phone": ("phone",), "Title": ("title",)}
_ADDRESS = {
    "Street": ("street", "address.street"),
    "City": ("city", "address.city"),
    "State": ("state", "address.state"),
    "PostalCode": ("postalCode", "address.postalCode", "address.zip"),
    "Country": ("country", "address.country"),
}
_MAILING = {f"Mailing{field}": names for field, names in _ADDRESS.items()}
PERSON = {
    "Contact": {**_NAMES, "Birthdate": ("birthday",), **_MAILING},
    "Lead": {**_NAMES, "Company": ("company.name", "company"), "Website": ("website",), **_ADDRESS},
}
"""Object → field → the traits that may hold it. What a person lacks is not sent, so nothing good is overwritten."""

LONGEST = {"Subject": 255, "Description": 32_000, "Name": 120}
MAY_PASS = frozenset({"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "REQUEST_RUNNING_TOO_LONG"})
_DAY_WAIT, _CONCURRENT_WAIT = 900.0, 10.0


class SalesforceSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Settings of Salesforce.

    Attributes:
        client_id, client_secret: of a connected app with the client credentials flow; without them `token` is sent as
            the access token (which ends with its session).
        person_object: what an identify becomes.
        person_id_field: its external id field, which holds our user id.
        person_constants: fields that every person gets (a Lead needs a `Company`).
        property_names: further traits → fields.
        events: our event → its rule; `null` for one that shall not go out.
        default_event: the rule of other tracks; `null`: they do not go out.
        opportunities: order events become opportunities (`ORDERS`).
    """

    client_id: str = ""
    client_secret: str = ""
    version: str = "v64.0"
    person_object: Literal["Contact", "Lead"] = "Contact"
    person_id_field: str = "Headwater_User_Id__c"
    person_constants: dict[str, Any] = {}
    property_names: dict[str, str] = {}
    events: dict[str, Rule | None] = {}
    default_event: Rule | None = msgspec.field(default_factory=lambda: TASK)
    opportunities: bool = False


class Salesforce(EventDestination):
    """`PATCH <base_url>/services/data/<version>/composite/sobjects/…`; base_url is your own domain
    (`https://mycompany.my.salesforce.com`)."""

    type = "salesforce"
    integrations_name = "Salesforce"
    Settings = SalesforceSettings
    streaming = Streaming(batch_size=200, batch_bytes=1_000_000)
    rate_per_second = 5.0

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        if not self.base_url:
            raise ConfigError("A destination of type salesforce needs base_url, your own Salesforce domain.")
        orders = ORDERS if self.settings.opportunities else {}
        self.rules: dict[str, Rule | None] = {**orders, **self.settings.events}

    def login(self) -> Request | None:
        if not self.settings.client_id:
            return None
        form = {
            "grant_type": "client_credentials",
            "client_id": self.settings.client_id,
            "client_secret": self.settings.client_secret,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return Request("POST", f"{self.base_url}/services/oauth2/token", headers, urlencode(form).encode())

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        if payload.get("type") == "identify":
            return str(self.settings.person_object)
        rule = self._rule(payload)
        return rule.object if rule else super().tool_event(payload)

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        kind = payload.get("type")
        if kind == "identify":
            return "" if spec.user_id(payload) else f"no userId for {self.settings.person_id_field}"
        rule = self._rule(payload)
        if rule is None:
            return f"no rule for «{spec.event_name(payload)}» in settings.events"
        return "" if self._value(payload, rule.id_from) else f"no {rule.id_from} for {rule.id_field}"

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        groups: dict[tuple[str, str], list[tuple[str, int]]] = {}
        records: list[dict[str, Any]] = []
        # people first: what they did may be tied to them
        people = (self.settings.person_object, self.settings.person_id_field)
        groups[people] = []
        for n, event in enumerate(events):
            is_person = event.payload.get("type") == "identify"
            rule = None if is_person else self._rule(event.payload)
            where = (rule.object, rule.id_field) if rule else people
            records.append(self._record(event.payload, rule) if rule else self._person(event.payload))
            groups.setdefault(where, []).append((records[n][where[1]], n))
        return [
            self._call(where, group, [records[n] for n in group])
            for where, keyed in groups.items()
            for group in rounds(keyed)
        ]

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        try:
            found = msgspec.convert(answer.json, list[_Result])
        except msgspec.ValidationError as error:
            raise UnavailableError(f"Salesforce answered {answer.status} with something else: {error}.") from error
        if len(found) != len(call.events):
            raise UnavailableError(f"Salesforce tells of {len(found)} of {len(call.events)} records: {answer.text}")
        return [result.outcome(answer.status) for result in found]

    def wait_seconds(self, answer: Answer) -> float | None:
        """A used-up day is tried again each quarter of an hour, too many at once after seconds."""
        faults = answer.json if isinstance(answer.json, list) else []
        for fault in faults if answer.status == 403 else []:
            if isinstance(fault, dict) and fault.get("errorCode") == "REQUEST_LIMIT_EXCEEDED":
                return _DAY_WAIT if "TotalRequests" in str(fault.get("message")) else _CONCURRENT_WAIT
        return None

    def _call(self, where: tuple[str, str], group: tuple[int, ...], records: list[dict[str, Any]]) -> Call:
        path = f"/services/data/{self.settings.version}/composite/sobjects/{quote(where[0])}/{quote(where[1])}"
        body = msgspec.json.encode({"allOrNone": False, "records": records})
        return Call(Request("PATCH", f"{self.base_url}{path}", self.headers(), body), group)

    def _rule(self, payload: Mapping[str, Any]) -> Rule | None:
        name = spec.event_name(payload)
        if name in self.rules:
            return self.rules[name]
        return self.settings.default_event if payload.get("type") == "track" else None

    def _value(self, payload: Mapping[str, Any], source: str) -> Any:
        found = COMPUTED[source](payload) if source in COMPUTED else spec.first(payload, source)
        return mapping.text(found) if isinstance(found, Mapping | list) else found

    def _person(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {
            field: spec.trait(payload, *names) for field, names in PERSON[self.settings.person_object].items()
        }
        found |= {field: spec.trait(payload, ours) for ours, field in self.settings.property_names.items()}
        found["Email"] = spec.email(payload)
        found = self.settings.person_constants | {field: value for field, value in found.items() if value is not None}
        return self._shaped(self.settings.person_object, self.settings.person_id_field, spec.user_id(payload), found)

    def _record(self, payload: Mapping[str, Any], rule: Rule) -> dict[str, Any]:
        found = {field: self._value(payload, source) for field, source in rule.fields.items()}
        found = rule.constants | {field: value for field, value in found.items() if value is not None}
        if rule.person and (user := spec.user_id(payload)):
            found[rule.person] = {
                "attributes": {"type": self.settings.person_object},
                self.settings.person_id_field: user,
            }
        return self._shaped(rule.object, rule.id_field, self._value(payload, rule.id_from), found)

    def _shaped(self, object_: str, id_field: str, number: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
        short = {
            field: value[: LONGEST[field]] if field in LONGEST and isinstance(value, str) else value
            for field, value in fields.items()
        }
        return {"attributes": {"type": object_}, id_field: mapping.text(number), **short}


class _Fault(msgspec.Struct, rename="camel"):
    status_code: str = "UNKNOWN"
    message: str = ""
    fields: list[str] = []


class _Result(msgspec.Struct):
    success: bool
    errors: list[_Fault] = []

    def outcome(self, status: int) -> Outcome:
        """What Salesforce said about one record."""
        if self.success:
            return Outcome(True, str(status))
        fault = self.errors[0] if self.errors else _Fault()
        where = f" ({', '.join(fault.fields)})" if fault.fields else ""
        return Outcome(False, fault.status_code, f"{fault.message}{where}", fault.status_code in MAY_PASS)
