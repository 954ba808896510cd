"""What follows a promotion may rely on: names in MLflow's registry, and what `tapetum promote` and `rollback` print.

Nothing here needs MLflow, so that a program without it can follow the registry over HTTP.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapetum.evaluation.gate import Check

# Aliases of a registered model.
CHAMPION, CHALLENGER = "champion", "challenger"
# Tags of each version, from the training that registered it: the bundle's version, and the SHA-256 of its bundle.json.
BUNDLE_VERSION, BUNDLE_DIGEST = "bundle.version", "bundle.digest"
# Tags of a version that was champion: when, by whom and after which one it became that; and how that ended, if it was
# rolled back. What its gate found is one tag a check, "promotion.NAME OF THE CHECK".
PROMOTION, ROLLBACK = "promotion", "rollback"
# Where among the artifacts of a version the sealed bundle lies, and among those of its run the whole verdict.
BUNDLE_PATH, VERDICT_PATH = "artifacts/bundle", "promotion/verdict.json"


def history_of(name: str) -> str:
    """The registered model whose versions are the moves of another's champion, in order."""
    return f"{name}-champions"


@dataclass(frozen=True)
class Version:
    """A version of a registered model, as MLflow counts them, and the digest of its bundle."""

    version: str
    digest: str


@dataclass(frozen=True)
class Moved:
    """Who is champion now, and who was before; as JSON what `--json` prints.

    Of a rollback `previous` is whom it took the place from, and `checks` are none.
    """

    name: str
    version: str
    digest: str
    previous: Version | None
    checks: "list[Check]"
