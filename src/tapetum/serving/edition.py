"""One bundle in hands of its own: what a reload puts beside another, and then in its place."""

import asyncio
import os
from pathlib import Path

from tapetum import bundle as bundles
from tapetum import files, machine
from tapetum.bundle import Facts
from tapetum.errors import BundleError, NotReady
from tapetum.inference.hand import Opened, Plan
from tapetum.inference.pool import Pool
from tapetum.inference.work import Limits
from tapetum.settings import Settings


class Edition:
    """The bundle that lies at the deployment's path at this moment; a link is followed once.

    So hands that are replaced later open what the first ones did, wherever the link leads by then.
    """

    def __init__(self, settings: Settings) -> None:
        self._path = Path(os.path.realpath(settings.bundle))
        self._facts: Facts | None = None
        self.pool = Pool(
            Plan(self._path, settings.engine, settings.precision, settings.max_pixels, settings.device),
            machine.cores() if settings.workers is None else settings.workers,
            Limits(
                settings.max_pending,
                settings.max_pending_pixels,
                settings.request_timeout_s,
                settings.worker_max_bytes,
            ),
        )

    @property
    def is_open(self) -> bool:
        return self._facts is not None

    @property
    def facts(self) -> Facts:
        """Raises NotReady until every hand has proved the bundle."""
        if self._facts is None:
            raise NotReady("the model is still being loaded and checked: ask /ready, and try again")
        return self._facts

    @property
    def opened(self) -> Opened | None:
        """What its hands have opened; None until they have."""
        return self.pool.opened

    async def open(self) -> None:
        """Verify the bundle here and in every hand, where it also proves itself on its golden pictures.

        Raises whatever is in the way, a TapetumError as a rule; then no hand is left.
        """
        try:
            digest, facts = await asyncio.to_thread(_read, self._path)
            await self.pool.start()
            assert self.opened is not None
            # Read before any hand began, so equal to what each read last: nothing changed under any of them.
            if self.opened.digest != digest:
                raise BundleError(f"{self._path} was changed while it was opened: try again once it is there whole")
        except BaseException:
            await self.pool.close()
            raise
        self._facts = facts


def _read(path: Path) -> tuple[str, Facts]:
    """The digest of a bundle, and then its facts. Raises BundleError."""
    try:
        digest = files.sha256(path / bundles.FACTS)
    except OSError:  # which load_sealed has better words for
        digest = ""
    return digest, bundles.load_sealed(path).facts
