"""Whether a service ran this model in shadow, and how often it answered as the one in front of it."""

from collections.abc import Mapping
from typing import Any

import httpx

from tapetum import bundle as bundles
from tapetum.bundle import Bundle
from tapetum.errors import ResourceError, ServiceError
from tapetum.evaluation.gate import Check
from tapetum.recipe import Gate

_TIMEOUT_S = 30


def ask(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """What a service says of its models in GET /model-stats. Raises ResourceError, ServiceError."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/model-stats", headers=dict(headers), timeout=_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise ResourceError(f"{url} does not answer: {error or type(error).__name__}") from error
    if answer.status_code != httpx.codes.OK:
        raise ServiceError(
            f"{url}/model-stats answers {answer.status_code}: {answer.text[:200]}", answer.status_code, ""
        )
    try:
        stats = answer.json()
    except ValueError:
        stats = None
    if not isinstance(stats, dict) or "model" not in stats:
        raise ResourceError(f"{url}/model-stats is no answer of Tapetum: {answer.text[:200]!r}")
    return stats


def checks(stats: Mapping[str, Any], challenger: Bundle, champion: Bundle | None, rules: Gate) -> list[Check]:
    """That the service ran the challenger behind the champion, for long enough, and how often they agreed.

    A model is known by its bundle's digest: a copy in int8 has the name, the version and the pictures of its source.
    """
    shadow = stats.get("shadow") or {}
    compared, agreement = shadow.get("compared", 0), shadow.get("agreement")
    interval = ", ".join(f"{bound:.4f}" for bound in shadow.get("agreement_interval") or ())
    found = [
        _is("model in shadow", shadow.get("model"), challenger),
        Check(
            "pictures compared in shadow",
            compared >= rules.shadow_pictures,
            str(compared),
            f"≥ {rules.shadow_pictures}",
        ),
        Check(
            "agreement in shadow",
            agreement is not None and agreement >= rules.shadow_agreement,
            "none" if agreement is None else f"{agreement:.4f} [{interval}]",
            f"≥ {rules.shadow_agreement:.4f}",
        ),
    ]
    if champion is not None:
        found.insert(0, _is("model in front of it", stats["model"], champion))
    return found


def _is(check: str, said: Mapping[str, str | None] | None, bundle: Bundle) -> Check:
    """Whether the model that a service names is that of a bundle."""
    digest = bundles.digest(bundle)
    said = said or {}
    found = _named(said.get("name"), said.get("version"), said.get("digest")) if said else "none"
    demanded = _named(bundle.facts.name, bundle.facts.version, digest)
    return Check(check, said.get("digest") == digest, found, demanded)


def _named(name: str | None, version: str | None, digest: str | None) -> str:
    return f"{name} {version} with the digest {(digest or 'unknown')[:12]}"
