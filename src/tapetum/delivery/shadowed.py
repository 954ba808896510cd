"""Whether a service ran this model in shadow, and how often it answered as the one in front of it."""

from collections.abc import Mapping
from typing import Any

import httpx

from tapetum.bundle import Facts
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


def checks(stats: Mapping[str, Any], challenger: Facts, champion: Facts | None, rules: Gate) -> list[Check]:
    """That the service ran the challenger behind the champion, for long enough, and how often they agreed."""
    shadow = stats.get("shadow") or {}
    served, ran = stats["model"], shadow.get("model")
    compared, agreement = shadow.get("compared", 0), shadow.get("agreement")
    interval = ", ".join(f"{bound:.4f}" for bound in shadow.get("agreement_interval") or ())
    found = [
        Check("model in shadow", ran == _name(challenger), _said(ran), _said(_name(challenger))),
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
        found.insert(0, Check("model in front of it", served == _name(champion), _said(served), _said(_name(champion))))
    return found


def _name(facts: Facts) -> dict[str, str | None]:
    """A model as the service names it."""
    return {"name": facts.name, "version": facts.version, "fingerprint": facts.fingerprint}


def _said(name: Mapping[str, str | None] | None) -> str:
    if not name:
        return "none"
    return f"{name.get('name')} {name.get('version')} of pictures {(name.get('fingerprint') or 'unknown')[:12]}"
