"""Every file of monitoring that is written from code, as its path and what gives its content."""

from collections.abc import Callable
from functools import partial

from tapetum.stack import alert_list, catalogue, dashboards, rules

# Paths count from the root of the repository. `tapetum stack render` writes them, a test holds them fresh.
FILES: tuple[tuple[str, Callable[[], str]], ...] = (
    ("docs/metrics.md", catalogue.page),
    ("docs/alerts.md", alert_list.page),
    *((f"{rules.FOLDER}/{name}.rules.yml", partial(rules.rule_file, name)) for name in rules.NAMES),
    *(
        (rules.test_path(name, step), partial(rules.test_file, name, step))
        for name in rules.NAMES
        for step in rules.steps(name)
    ),
    *dashboards.FILES,
)


def render() -> dict[str, str]:
    """Contents by path."""
    return {path: content() for path, content in FILES}
