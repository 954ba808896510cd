"""The model behind the service: loaded, checked, then asked, and the bound on how many may ask at once."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from tapetum import bundle as bundles
from tapetum import machine
from tapetum.errors import NotReady, Overloaded, PictureError, TapetumError
from tapetum.inference import golden
from tapetum.inference.engine import open_engine
from tapetum.inference.predictor import Prediction, Predictor
from tapetum.settings import Settings

log = structlog.get_logger()


class Model:
    """Ready once hashes and golden pictures hold; a model that fails to load ends the service."""

    def __init__(self, settings: Settings, on_failure: Callable[[], None]) -> None:
        self.failure: Exception | None = None
        self._settings = settings
        self._on_failure = on_failure
        self._predictor: Predictor | None = None
        self._pending = 0
        self._workers = settings.workers or machine.cores()
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="predict")

    @property
    def path(self) -> str:
        return str(self._settings.bundle)

    @property
    def is_ready(self) -> bool:
        return self._predictor is not None

    @property
    def predictor(self) -> Predictor:
        """Raises NotReady until the model is loaded and checked."""
        if self._predictor is None:
            raise NotReady("the model is still being loaded and checked: ask /ready, and try again")
        return self._predictor

    async def load(self) -> None:
        """Load and check without holding up the event loop; on failure say why and end the service."""
        try:
            self._predictor = await asyncio.get_running_loop().run_in_executor(self._pool, self._open)
        except Exception as error:  # whatever it is, a service without a model must end and say why
            self.failure = error
            log.error(
                "the model cannot be served",
                reason=str(error),
                exc_info=None if isinstance(error, TapetumError) else error,
            )
            self._on_failure()
            return
        facts = self._predictor.bundle.facts
        log.info("ready", name=facts.name, version=facts.version, precision=self._predictor.engine.precision)

    async def predict(self, content: bytes) -> Prediction:
        """The prediction for one picture. Raises NotReady, Overloaded or PictureError."""
        predictor = self.predictor
        if self._pending >= self._settings.max_pending:
            raise Overloaded(f"{self._pending} requests are waiting, which is the limit: try again in a moment")
        self._pending += 1
        try:
            result = await asyncio.get_running_loop().run_in_executor(
                self._pool, lambda: predictor.predict([content])[0]
            )
        finally:
            self._pending -= 1
        if isinstance(result, PictureError):
            raise result
        return result

    def close(self) -> None:
        """Finish what was accepted."""
        self._pool.shutdown()

    def _open(self) -> Predictor:
        settings = self._settings
        bundle = bundles.load_sealed(settings.bundle)
        engine = open_engine(settings.engine, bundle, settings.precision, self._workers)
        golden.check(bundle, engine)
        return Predictor(bundle, engine, settings.max_pixels)
