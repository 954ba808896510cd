"""Fields of every line that is logged on behalf of one thing, such as a request."""

from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

FIELDS: ContextVar[Mapping[str, str]] = ContextVar("FIELDS")


def merge(logger: object, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Add the fields that are set: a processor for structlog, whose own looks through all variables at each line."""
    return {**FIELDS.get({}), **event}
