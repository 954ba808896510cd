"""Fields of every line that is logged on behalf of one thing, such as a request."""

from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

FIELDS: ContextVar[Mapping[str, str]] = ContextVar("FIELDS")


def merge(logger: object, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Add the fields that are set, as a processor of structlog, whose own way looks through all variables for each."""
    return {**FIELDS.get({}), **event}
