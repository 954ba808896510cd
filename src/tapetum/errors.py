"""Every error that Tapetum raises on purpose; each message names the thing, the value and the remedy.

TapetumError
├── ConfigError            a recipe, a setting or an argument is wrong
├── DataError              a folder or a manifest is not what it should be
├── DownloadError          a file did not arrive, or is not the one that was promised
├── CheckpointError        a foreign file of weights cannot be read, or does not fit
├── TrainingError          a training run cannot go on
├── Interrupted            a training run was asked to stop; what it had is saved
├── BundleError            a bundle is incomplete, altered, unsealed, or from a newer Tapetum
├── EngineError            an engine is not installed, or cannot run this bundle
├── WorkerLost             the process that computed a picture ended before it had answered
├── BundleRefused          a bundle to reload is not fit to serve; that of before goes on
├── ServiceError           a service that was asked refused, with its reason
├── RegistryError          a registry of models does not answer, or does not hold what is asked of it
│   └── Overtaken          somebody else moved the champion first; nothing was changed
├── ResourceError          the machine lacks what is needed: disk space, a free port
├── MailError              a mail was not sent; another attempt may succeed
│   └── MailRefused        the mail server will not have it, however often it is asked
├── PictureError           one picture cannot be used; its neighbours can
│   ├── EmptyPicture       no bytes at all
│   ├── NotAPicture        bytes of another kind
│   ├── BrokenPicture      a picture by its first bytes, but it cannot be decoded
│   └── PictureTooLarge    more pixels than the limit
├── RequestError           the caller must change the request
│   ├── MalformedRequest   the body contradicts its headers
│   ├── MissingPicture     no picture in the request
│   ├── BodyTooLarge       more bytes than the limit
│   ├── UnknownModel       a name or a version that is not served
│   ├── UnknownAnswer      a request that feedback is about, and that is not remembered
│   ├── UnknownLabel       a label of feedback that is no class of the model
│   ├── NoReport           the bundle that is served holds no report
│   ├── Unauthorised       no key, or one that does not open this route
│   └── SwitchedOff        a route that this deployment does not offer
└── Unavailable            not now; the same request may succeed later
    ├── NotReady           the model is still being loaded and checked
    ├── Overloaded         the queue is full
    ├── ReloadUnderWay     one reload at a time
    ├── DeadlinePassed     the request's time was up before it was answered
    └── TooSoon            asked again before it may be; says when
"""


class TapetumError(Exception):
    """The base of the tree."""


class ConfigError(TapetumError):
    """A recipe, a setting or an argument is wrong."""


class DataError(TapetumError):
    """A folder or a manifest is not what it should be."""


class DownloadError(TapetumError):
    """A file did not arrive, or is not the one that was promised."""


class CheckpointError(TapetumError):
    """A foreign file of weights cannot be read, or does not fit."""


class TrainingError(TapetumError):
    """A training run cannot go on."""


class Interrupted(TapetumError):
    """A training run was asked to stop; what it had is saved."""


class BundleError(TapetumError):
    """A bundle is incomplete, altered, unsealed, or from a newer Tapetum."""


class EngineError(TapetumError):
    """An engine is not installed, or cannot run this bundle."""


class WorkerLost(TapetumError):
    """The process that computed a picture ended before it had answered."""


class BundleRefused(TapetumError):
    """A bundle to reload is not fit to serve; that of before goes on."""


class ServiceError(TapetumError):
    """A service that was asked refused; `status` is HTTP's, `problem` the type of the problem that it sent."""

    def __init__(self, message: str, status: int, problem: str) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem


class RegistryError(TapetumError):
    """A registry of models does not answer, or does not hold what is asked of it."""


class Overtaken(RegistryError):
    """Somebody else moved the champion first; nothing was changed."""


class ResourceError(TapetumError):
    """The machine lacks what is needed: disk space, a free port."""


class MailError(TapetumError):
    """A mail was not sent; another attempt may succeed."""


class MailRefused(MailError):
    """The mail server will not have it, however often it is asked."""


class PictureError(TapetumError):
    """One picture cannot be used; its neighbours can."""


class EmptyPicture(PictureError):
    """No bytes at all."""


class NotAPicture(PictureError):
    """Bytes of another kind."""


class BrokenPicture(PictureError):
    """A picture by its first bytes, but it cannot be decoded."""


class PictureTooLarge(PictureError):
    """More pixels than the limit."""


class RequestError(TapetumError):
    """The caller must change the request."""


class MalformedRequest(RequestError):
    """The body contradicts its headers."""


class MissingPicture(RequestError):
    """No picture in the request."""


class BodyTooLarge(RequestError):
    """More bytes than the limit."""


class UnknownModel(RequestError):
    """A name or a version that is not served."""


class UnknownAnswer(RequestError):
    """A request that feedback is about, and that is not remembered."""


class UnknownLabel(RequestError):
    """A label of feedback that is no class of the model."""


class NoReport(RequestError):
    """The bundle that is served holds no report."""


class Unauthorised(RequestError):
    """No key, or one that does not open this route."""


class SwitchedOff(RequestError):
    """A route that this deployment does not offer."""


class Unavailable(TapetumError):
    """Not now; the same request may succeed later."""


class NotReady(Unavailable):
    """The model is still being loaded and checked."""


class Overloaded(Unavailable):
    """The queue is full."""


class ReloadUnderWay(Unavailable):
    """One reload at a time."""


class DeadlinePassed(Unavailable):
    """The request's time was up before it was answered."""


class TooSoon(Unavailable):
    """Asked again before it may be; says when."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
