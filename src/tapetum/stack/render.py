"""Every file of monitoring that is written from code, as its path and what gives its content."""

from collections.abc import Callable

from tapetum.stack import catalogue

# Paths count from the root of the repository. `tapetum stack render` writes them, a test holds them fresh.
FILES: tuple[tuple[str, Callable[[], str]], ...] = (("docs/metrics.md", catalogue.page),)


def render() -> dict[str, str]:
    """Contents by path."""
    return {path: content() for path, content in FILES}
