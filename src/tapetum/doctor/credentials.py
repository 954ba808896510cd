"""Secrets that are there or not, never what they are, and whether their files keep others out; and the settings."""

import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from tapetum import settings
from tapetum.bundle import FACTS
from tapetum.doctor.finding import Finding
from tapetum.errors import ConfigError

_AREA = "credentials"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def look(given: Mapping[str, str | None], home: Path, folder: Path) -> Iterator[Finding]:
    """Kaggle, mail, registry and keys; `given` are variables of the environment and of the .env file of `folder`."""
    yield _kaggle(given, home)
    yield _mail(given)
    yield _registry(given, home)
    for name in ("TAPETUM_API_KEYS_FILE", "TAPETUM_OPERATOR_KEYS_FILE"):
        if file := given.get(name):
            yield _file(name, Path(file), "callers need one of its keys")
    env = folder / ".env"
    if env.is_file():
        yield _file(".env", env, "read by every command in this folder")


def of_settings(given: Mapping[str, str | None]) -> Iterator[Finding]:
    """Whether the TAPETUM_* variables can be understood, and the bundle that they name."""
    try:
        chosen = settings.load()
    except ConfigError as error:
        yield Finding("settings", "TAPETUM_*", "broken", "cannot be understood", str(error))
        return
    strangers = settings.unknown_variables(given)
    count = sum(name.startswith(settings.PREFIX) for name in given)
    yield Finding(
        "settings",
        "TAPETUM_*",
        "warning" if strangers else "ok",
        f"{count} set",
        "; ".join(strangers) or "`tapetum config show` prints those in force",
    )
    if "TAPETUM_BUNDLE" in given:
        there = (chosen.bundle / FACTS).is_file()
        meaning = "`tapetum serve` serves it" if there else "there is no bundle: `tapetum train` makes one"
        yield Finding("settings", "TAPETUM_BUNDLE", "ok" if there else "warning", str(chosen.bundle), meaning)


def _kaggle(given: Mapping[str, str | None], home: Path) -> Finding:
    if given.get("KAGGLE_USERNAME") and given.get("KAGGLE_KEY"):
        return Finding(_AREA, "Kaggle", "ok", "KAGGLE_USERNAME and KAGGLE_KEY", "for `make download`")
    file = Path(given.get("KAGGLE_CONFIG_DIR") or home / ".kaggle") / "kaggle.json"
    if file.is_file():
        return _file("Kaggle", file, "for `make download`")
    remedy = "set KAGGLE_USERNAME and KAGGLE_KEY, or save ~/.kaggle/kaggle.json (Kaggle: Settings, API)"
    return Finding(_AREA, "Kaggle", "missing", "not set", f"for `make download`: {remedy}")


def _mail(given: Mapping[str, str | None]) -> Finding:
    name, sides = "alerts by mail", ("TAPETUM_MAIL_FROM", "TAPETUM_MAIL_TO")
    missing = [side for side in sides if not given.get(side)]
    if given.get("GMAIL_PASS_FILE"):
        found = _file(name, Path(given["GMAIL_PASS_FILE"] or ""), "the password of the mail account")
        if found.state != "ok":
            return found
    elif not given.get("GMAIL_PASS"):
        missing = ["GMAIL_PASS", *missing]
    if missing:
        return Finding(_AREA, name, "missing", f"no {', '.join(missing)}", "the service mails no alerts: set them")
    return Finding(_AREA, name, "ok", "password, sender and recipients", "the service mails its alerts")


def _registry(given: Mapping[str, str | None], home: Path) -> Finding:
    purpose = "for `make docker-push`"
    if given.get("REGISTRY_TOKEN"):
        return Finding(_AREA, "registry", "ok", "REGISTRY_TOKEN", purpose)
    files = (
        Path(given.get("DOCKER_CONFIG") or home / ".docker") / "config.json",
        Path(given.get("REGISTRY_AUTH_FILE") or Path(given.get("XDG_RUNTIME_DIR") or "/run") / "containers/auth.json"),
    )
    for file in files:
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        hosts = [*kept.get("auths", {}), *kept.get("credHelpers", {})] if isinstance(kept, dict) else []
        if hosts:
            return _file("registry", file, f"{purpose}: {', '.join(sorted(set(hosts)))}")
    return Finding(_AREA, "registry", "missing", "not logged in", f"{purpose}: docker login, or REGISTRY_TOKEN")


def _file(name: str, file: Path, meaning: str) -> Finding:
    """A file of secrets: there, readable, and by its owner alone."""
    try:
        mode = file.stat().st_mode
        with file.open("rb"):
            pass
    except OSError as error:
        return Finding(_AREA, name, "warning", f"{file}: {error.strerror}", meaning)
    if mode & _OTHERS:
        return Finding(_AREA, name, "warning", f"{file} is open to others", f"chmod 600 {file}")
    return Finding(_AREA, name, "ok", str(file), meaning)
