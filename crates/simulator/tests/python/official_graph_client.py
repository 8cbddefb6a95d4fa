"""Microsoft's own Python client against the simulator: arguments are the base URL, the authority's file, a token and an
address for notices. It prints `all checks passed` at the end."""

import asyncio
import sys
from datetime import datetime, timedelta, timezone

import httpx
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.graph_request_adapter import options
from msgraph.generated.models.attendee import Attendee
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.calendar import Calendar
from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
from msgraph.generated.models.day_of_week import DayOfWeek
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.event import Event
from msgraph.generated.models.event_type import EventType
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.patterned_recurrence import PatternedRecurrence
from msgraph.generated.models.recurrence_pattern import RecurrencePattern
from msgraph.generated.models.recurrence_pattern_type import RecurrencePatternType
from msgraph.generated.models.recurrence_range import RecurrenceRange
from msgraph.generated.models.recurrence_range_type import RecurrenceRangeType
from msgraph.generated.models.subscription import Subscription
from msgraph.generated.users.item.calendars.calendars_request_builder import CalendarsRequestBuilder
from msgraph.generated.users.item.calendars.item.calendar_view.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.events.item.event_item_request_builder import EventItemRequestBuilder
from msgraph.generated.users.item.events.item.instances.instances_request_builder import InstancesRequestBuilder
from msgraph_core import GraphClientFactory
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem

BASE, AUTHORITY, TOKEN, WEBHOOK = sys.argv[1:5]
FROM, TO = "2027-03-01T00:00:00Z", "2027-04-01T00:00:00Z"


class Token(AccessTokenProvider):
    async def get_authorization_token(self, uri, additional_authentication_context=None):
        return TOKEN

    def get_allowed_hosts_validator(self):
        return AllowedHostsValidator([])


def client():
    http = GraphClientFactory.create_with_default_middleware(
        client=httpx.AsyncClient(verify=AUTHORITY), options=options
    )
    adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(Token()), http)
    adapter.base_url = BASE.rstrip("/")
    return adapter, GraphServiceClient(request_adapter=adapter)


def preferring(builder, parameters, *preferences):
    configuration = RequestConfiguration(query_parameters=parameters)
    for preference in preferences:
        configuration.headers.add("Prefer", preference)
    return configuration


def at(text):
    return DateTimeTimeZone(date_time=text, time_zone="W. Europe Standard Time")


async def all_of_delta(delta, *preferences):
    items = []
    parameters = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(
        start_date_time=FROM, end_date_time=TO
    ) if not isinstance(delta, tuple) else None
    page = await (
        delta.get(preferring(delta, parameters, *preferences))
        if parameters
        else delta[0].with_url(delta[1]).get(preferring(delta[0], None, *preferences))
    )
    builder = delta if parameters else delta[0]
    while True:
        items.extend(page.value)
        if not page.odata_next_link:
            return items, page.odata_delta_link
        page = await builder.with_url(page.odata_next_link).get(preferring(builder, None, *preferences))


async def calendars(graph):
    made = await graph.me.calendars.post(Calendar(name="Chess"))
    parameters = CalendarsRequestBuilder.CalendarsRequestBuilderGetQueryParameters(top=1)
    page = await graph.me.calendars.get(RequestConfiguration(query_parameters=parameters))
    assert [calendar.is_default_calendar for calendar in page.value] == [True]
    page = await graph.me.calendars.with_url(page.odata_next_link).get()
    assert [(calendar.name, calendar.id) for calendar in page.value] == [("Chess", made.id)]
    renamed = await graph.me.calendars.by_calendar_id(made.id).patch(Calendar(name="Go"))
    assert renamed.name == "Go" and renamed.change_key != made.change_key
    assert (await graph.me.get()).mail.endswith("@example.com")
    return made.id


async def events(graph, calendar):
    single = await graph.me.calendars.by_calendar_id(calendar).events.post(
        Event(
            subject="Lunch",
            start=at("2027-03-02T12:00:00"),
            end=at("2027-03-02T13:00:00"),
            body=ItemBody(content_type=BodyType.Text, content="Bring cake"),
            attendees=[Attendee(email_address=EmailAddress(address="ben@example.com", name="Ben"))],
            transaction_id="7e5ad0f6",
        )
    )
    assert single.type == EventType.SingleInstance and single.last_modified_date_time.tzinfo is not None
    series = await graph.me.calendars.by_calendar_id(calendar).events.post(
        Event(
            subject="Mondays",
            start=at("2027-03-01T10:00:00"),
            end=at("2027-03-01T11:00:00"),
            recurrence=PatternedRecurrence(
                pattern=RecurrencePattern(
                    type=RecurrencePatternType.Weekly, interval=1, days_of_week=[DayOfWeek.Monday]
                ),
                range=RecurrenceRange(
                    type=RecurrenceRangeType.Numbered,
                    start_date=datetime(2027, 3, 1).date(),
                    number_of_occurrences=5,
                ),
            ),
        )
    )
    assert series.type == EventType.SeriesMaster
    parameters = EventItemRequestBuilder.EventItemRequestBuilderGetQueryParameters(select=["subject", "start"])
    found = await graph.me.events.by_event_id(single.id).get(
        preferring(None, parameters, 'outlook.timezone="Tokyo Standard Time"')
    )
    assert found.start.date_time.startswith("2027-03-02T20:00") and found.body is None
    parameters = InstancesRequestBuilder.InstancesRequestBuilderGetQueryParameters(
        start_date_time=FROM, end_date_time=TO, top=500
    )
    of_series = graph.me.events.by_event_id(series.id)
    instances = (await of_series.instances.get(RequestConfiguration(query_parameters=parameters))).value
    assert len(instances) == 5 and len({one.i_cal_u_id for one in instances}) == 5
    await graph.me.events.by_event_id(instances[1].id).delete()
    changed = await graph.me.events.by_event_id(instances[2].id).patch(Event(subject="Other"))
    assert changed.type == EventType.Exception and changed.original_start.isoformat() == "2027-03-15T09:00:00+00:00"
    parameters = EventItemRequestBuilder.EventItemRequestBuilderGetQueryParameters(select=["cancelledOccurrences"])
    master = await of_series.get(RequestConfiguration(query_parameters=parameters))
    assert master.cancelled_occurrences == [f"OID.{series.id}.2027-03-08"]
    return single.id, series.id


async def delta(graph, calendar, single):
    builder = graph.me.calendars.by_calendar_id(calendar).calendar_view.delta
    items, link = await all_of_delta(builder, "odata.maxpagesize=2")
    types = [item.type for item in items]
    assert types.count(EventType.Occurrence) == 3 and types.count(EventType.Exception) == 1, types
    await graph.me.events.by_event_id(single).delete()
    items, link = await all_of_delta((builder, link), "odata.maxpagesize=2")
    assert [(item.id, item.additional_data["@removed"]) for item in items] == [(single, {"reason": "deleted"})]
    items, _ = await all_of_delta((builder, link))
    assert items == []


async def batch(adapter, graph, calendar):
    content = BatchRequestContent()
    for _ in range(3):
        content.add_request_information(graph.me.calendars.by_calendar_id(calendar).to_get_request_information())
    answers = await graph.batch.post(batch_request_content=content)
    assert [answers.get_response_by_id(id).status for id in content.requests] == [200, 200, 200]


async def subscriptions(graph):
    wanted = Subscription(
        change_type="created,updated,deleted",
        notification_url=WEBHOOK,
        lifecycle_notification_url=WEBHOOK,
        resource="me/events",
        expiration_date_time=datetime.now(timezone.utc) + timedelta(days=3),
        client_state="secret",
    )
    made = await graph.subscriptions.post(wanted)
    assert [one.id for one in (await graph.subscriptions.get()).value] == [made.id]
    try:
        await graph.subscriptions.post(wanted)
        raise AssertionError("a second one for the same")
    except ODataError as error:
        assert error.response_status_code == 409 and made.id in error.error.message
    later = datetime.now(timezone.utc) + timedelta(days=4)
    one = graph.subscriptions.by_subscription_id(made.id)
    renewed = await one.patch(Subscription(expiration_date_time=later))
    assert renewed.expiration_date_time > made.expiration_date_time
    await one.reauthorize.post()
    await one.delete()


async def errors(graph):
    try:
        await graph.me.events.by_event_id("nonsense").get()
        raise AssertionError("it is there")
    except ODataError as error:
        assert error.error.code == "ErrorInvalidIdMalformed" and error.error.inner_error.request_id


async def main():
    adapter, graph = client()
    calendar = await calendars(graph)
    single, _ = await events(graph, calendar)
    await delta(graph, calendar, single)
    await batch(adapter, graph, calendar)
    await subscriptions(graph)
    await errors(graph)
    await graph.me.calendars.by_calendar_id(calendar).delete()
    print("all checks passed")


asyncio.run(main())
