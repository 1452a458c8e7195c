"""What the routes use."""

from dataclasses import dataclass

from fastapi import Request

from stile_console.access.owners import Owners
from stile_console.access.sessions import Sessions
from stile_console.bus import NatsBus
from stile_console.history.records import Records
from stile_console.policies.filter import Policies
from stile_console.settings import Settings
from stile_runtime.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Services:
    """Made once by ``app``."""

    settings: Settings
    bus: NatsBus
    fleet: Fleet
    sessions: Sessions
    owners: Owners
    records: Records
    policies: Policies


def services_of(request: Request) -> Services:
    """Return the services of the application that answers a request."""
    services: Services = request.app.state.services
    return services
