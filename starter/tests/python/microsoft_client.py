"""Microsoft's own Python client, as a person would use it beside a running evercal: arguments are the base URL, the authority's
file and a token. It reads commands as lines of JSON, and answers each with a line."""

import asyncio
import json
import sys

import httpx
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.graph_request_adapter import options
from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
from msgraph.generated.models.event import Event
from msgraph.generated.models.patterned_recurrence import PatternedRecurrence
from msgraph.generated.models.recurrence_pattern import RecurrencePattern
from msgraph.generated.models.recurrence_pattern_type import RecurrencePatternType
from msgraph.generated.models.recurrence_range import RecurrenceRange
from msgraph.generated.models.recurrence_range_type import RecurrenceRangeType
from msgraph.generated.users.item.events.item.instances.instances_request_builder import InstancesRequestBuilder
from msgraph_core import GraphClientFactory
from datetime import date

BASE, AUTHORITY, TOKEN = sys.argv[1:4]


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
    return GraphServiceClient(request_adapter=adapter)


def at(day, clock):
    return DateTimeTimeZone(date_time=f"{day}T{clock}", time_zone="W. Europe Standard Time")


async def create(graph, calendar, title, day, count=0):
    recurrence = None
    if count:
        recurrence = PatternedRecurrence(
            pattern=RecurrencePattern(type=RecurrencePatternType.Daily, interval=1),
            range=RecurrenceRange(
                type=RecurrenceRangeType.Numbered,
                start_date=date.fromisoformat(day),
                number_of_occurrences=count,
            ),
        )
    event = Event(subject=title, start=at(day, "09:00:00"), end=at(day, "10:00:00"), recurrence=recurrence)
    made = await graph.me.calendars.by_calendar_id(calendar).events.post(event)
    return made.id


async def rename(graph, event, title):
    await graph.me.events.by_event_id(event).patch(Event(subject=title))


async def delete(graph, event):
    await graph.me.events.by_event_id(event).delete()


async def instances(graph, event, start, end):
    parameters = InstancesRequestBuilder.InstancesRequestBuilderGetQueryParameters(
        start_date_time=f"{start}T00:00:00Z", end_date_time=f"{end}T00:00:00Z", top=100
    )
    found = await graph.me.events.by_event_id(event).instances.get(RequestConfiguration(query_parameters=parameters))
    return [one.id for one in sorted(found.value, key=lambda one: one.start.date_time)]


async def main():
    graph = client()
    commands = {"create": create, "rename": rename, "delete": delete, "instances": instances}
    # A line at a time, and no thread beside: nothing else happens while it waits.
    for line in sys.stdin:
        command = json.loads(line)
        answer = await commands[command.pop("do")](graph, **command)
        print(json.dumps(answer), flush=True)


asyncio.run(main())
