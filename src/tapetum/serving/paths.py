"""Paths as the service knows them: a closed set, whatever callers ask for."""

from collections.abc import Iterable

from starlette.routing import compile_path

MODEL = "/v2/models/{name}"
VERSION = f"{MODEL}/versions/{{version}}"
INFER, INFER_VERSION = f"{MODEL}/infer", f"{VERSION}/infer"
ASSET = "/page/{digest}/{name}"
PREDICTING = ("/predict", "/predict/batch", INFER, INFER_VERSION)  # which wait for a worker


class Paths:
    """Some routes' paths; a part in braces stands for any one word."""

    def __init__(self, templates: Iterable[str]) -> None:
        self._templates = frozenset(templates)
        self._patterns = {template: compile_path(template)[0] for template in self._templates if "{" in template}

    def __contains__(self, template: object) -> bool:
        return template in self._templates

    def template_of(self, path: str) -> str | None:
        """The path of the route that takes `path`; None where there is none."""
        if path in self._templates:
            return path
        return next((template for template, pattern in self._patterns.items() if pattern.match(path)), None)
