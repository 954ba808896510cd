"""From a folder of labelled pictures to an image classifier in production."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapetum.delivery.client import Client
    from tapetum.inference.classifier import Answer, Classifier, load

__version__ = "0.1.0"
__all__ = ["Answer", "Classifier", "Client", "__version__", "load"]

_HOMES = {
    "Answer": "tapetum.inference.classifier",
    "Classifier": "tapetum.inference.classifier",
    "Client": "tapetum.delivery.client",
    "load": "tapetum.inference.classifier",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: `tapetum --help` shall not wait for NumPy.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
