"""The settings of a deployment: TAPETUM_* variables of the environment or of a .env file."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict

from tapetum import machine
from tapetum.alert_settings import AlertSettings
from tapetum.containers import DEFAULT_MAX_PIXELS
from tapetum.errors import ConfigError
from tapetum.feedback_settings import FeedbackSettings
from tapetum.registry import did_you_mean
from tapetum.shadow_settings import ShadowSettings

PREFIX = "TAPETUM_"

Seconds = Annotated[float, Field(gt=0, le=3600)]


class ServiceSettings(BaseSettings):
    """Part of `Settings`: all but what concerns alerts, feedback and a shadow."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        extra="ignore",
        frozen=True,
    )

    bundle: Path = Field(Path("bundle"), description="Folder of the sealed bundle to serve.")
    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 is every interface.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000, description="Port to listen on; 0 takes a free one, which the log names."
    )
    engine: Literal["openvino", "onnxruntime", "torch"] = Field(
        "openvino", description="What computes: openvino, onnxruntime or torch."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the model computes; auto is cuda where the engine has it, else cpu."
    )
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "auto",
        description="Arithmetic of the model; auto is int8 where the bundle has it, else bf16 where the engine and the "
        "processor have it.",
    )
    workers: Annotated[int, Field(ge=0, le=256)] | None = Field(
        None,
        description="Processes that compute, each on one thread; unset, one for each core that the container has. "
        "0 computes on a thread of the service itself.",
    )
    batching: Literal["auto", "off"] = Field(
        "auto",
        description="Dynamic batching: small pictures that wait are computed together; auto is as many as the model "
        "gains by, which is measured once the service is ready.",
    )
    max_pending: Annotated[int, Field(ge=1)] = Field(
        64, description="Pictures that may wait or be computed; beyond them the answer is 503."
    )
    max_pending_pixels: Annotated[int, Field(ge=1)] = Field(
        400_000_000,
        description="Pixels, as the files claim, that may wait for a worker; beyond them the answer is 503.",
    )
    max_held_bytes: Annotated[int, Field(ge=1024)] = Field(
        256_000_000,
        description="Bytes of request bodies held at once, arriving, waiting or computed; beyond them it is 503.",
    )
    max_body_bytes: Annotated[int, Field(ge=1024)] = Field(20_000_000, description="Largest request body, in bytes.")
    max_batch: Annotated[int, Field(ge=1)] = Field(
        32, description="Most pictures in a request of /predict/batch or /v2."
    )
    max_explains: Annotated[int, Field(ge=0)] = Field(
        4,
        description="Heat maps of /explain that may wait or be made, beside those pictures; beyond them the answer is "
        "503. 0 switches it off.",
    )
    request_timeout_s: Seconds = Field(
        10.0,
        description="Time to answer a request once it is whole, then 504; a caller may ask for less with "
        "X-Request-Timeout. A worker that computes one picture for longer is replaced.",
    )
    worker_max_bytes: Annotated[int, Field(ge=1_000_000)] = Field(
        1_000_000_000, description="Memory of one worker; one that holds more is replaced between two pictures."
    )
    max_connections: Annotated[int, Field(ge=1)] = Field(
        512, description="Open connections; beyond them an idle one is closed, or the newest is answered 503."
    )
    head_timeout_s: Seconds = Field(10.0, description="Time for the head of a request to arrive, then 408.")
    body_timeout_s: Seconds = Field(
        30.0, description="Time for the body of a request to arrive, then 408, and for an answer to be read."
    )
    keep_alive_s: Seconds = Field(
        75.0, description="Time that a connection may be idle; more than the 60 s of common balancers."
    )
    drain_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        5.0, description="Time after SIGTERM in which /ready is 503 and requests are still taken."
    )
    max_pixels: Annotated[int, Field(ge=1)] = Field(
        DEFAULT_MAX_PIXELS, description="Largest picture, in pixels, checked before it is decoded."
    )
    low_confidence: Annotated[float, Field(ge=0, le=1)] = Field(
        0.6, description="Probability of the predicted class below which a prediction counts as one of low confidence."
    )
    api_keys_file: Path | None = Field(
        None, description="File of the keys that open prediction, one a line; without it prediction is open."
    )
    operator_keys_file: Path | None = Field(
        None, description="File of the keys that open operations; without it `/admin/*` and `/v2/repository` are off."
    )
    probes_need_key: bool = Field(False, description="Whether `/health`, `/ready` and `/metrics` ask for a key too.")
    cors_origins: str = Field(
        "",
        pattern=r"^(\*|https?://[^\s,/*]+( *, *https?://[^\s,/*]+)*)?$",
        description="Origins whose web pages may call, such as `https://a.example, https://b.example`; "
        "`*` is every page, nothing is none.",
    )
    window_s: Seconds = Field(
        60.0, description="Time over which `/api-stats`, `/model-stats` and the built-in alerts look back."
    )
    drift_window: Annotated[int, Field(ge=500, le=20_000)] = Field(
        1000, description="Last predictions that are compared with the profile of the bundle, to notice drift."
    )
    otel_traces_exporter: Literal["none", "otlp"] = Field(
        "none",
        validation_alias="OTEL_TRACES_EXPORTER",
        description="Whether requests are sent as spans of OpenTelemetry; otlp needs the extra `otel`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line logged.")
    log_format: Literal["console", "json"] = Field("console", description="Lines for people, or JSON for programs.")
    log_file: Path | None = Field(None, description="File that lines are appended to as JSON; unset, there is none.")
    log_file_max_bytes: Annotated[int, Field(ge=1000)] = Field(
        10_000_000, description="Size at which the log file becomes `.1`, and `.1` becomes `.2`."
    )
    log_file_keep: Annotated[int, Field(ge=0, le=1000)] = Field(
        5, description="How many such older log files stay; 0 keeps none."
    )
    log_syslog: str | None = Field(
        None, description="Syslog that lines are sent to: `/dev/log`, `udp://HOST:514` or `tcp://HOST:601`."
    )
    cache_dir: Path = Field(Path("runs/cache"), description="Folder of decoded training pictures; may be deleted.")
    mlflow_tracking_uri: str = Field(
        "sqlite:///mlruns/mlflow.db",
        validation_alias="MLFLOW_TRACKING_URI",
        description="Where training runs are recorded; `none` records nothing.",
    )
    mlflow_experiment_name: str | None = Field(
        None,
        validation_alias="MLFLOW_EXPERIMENT_NAME",
        description="Experiment of MLflow that they belong to; without one, that of the recipe's name.",
    )


class Settings(AlertSettings, FeedbackSettings, ShadowSettings, ServiceSettings):
    """Facts of one deployment; facts of the model live in its bundle."""

    @property
    def worker_processes(self) -> int:
        """How many processes compute: one for each core unless told otherwise; for 0 it is a thread."""
        return machine.cores() if self.workers is None else self.workers


@dataclass(frozen=True)
class Origin:
    """One setting as `tapetum config show` prints it."""

    variable: str
    value: str
    origin: str


def load(**given: Any) -> Settings:
    """The settings in force; those `given` on the command line win. Raises ConfigError."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise ConfigError("; ".join(_complaint(dict(problem)) for problem in error.errors())) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f".env is not UTF-8 ({error}): save it anew as UTF-8") from None


def variable(name: str) -> str:
    """The environment variable of the setting called `name`."""
    return str(Settings.model_fields[name].validation_alias or PREFIX + name.upper())


def given() -> dict[str, str | None]:
    """Every variable of the environment and of .env, whether ours or not."""
    return {**dotenv_values(".env"), **os.environ}


def unknown_variables(environ: Mapping[str, str | None]) -> list[str]:
    """A complaint for each TAPETUM_* variable that is no setting, with its nearest."""
    known = [variable(name) for name in Settings.model_fields]
    strangers = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    return [f"{name} is not a setting{did_you_mean(name, known)}" for name in strangers]


def origins() -> list[Origin]:
    """Each setting in force, with secrets masked, and where it comes from. Raises ConfigError."""
    settings = load()
    sources = {"environment": EnvSettingsSource(Settings), ".env": DotEnvSettingsSource(Settings)}

    def origin(name: str) -> str:
        field = Settings.model_fields[name]
        setters = (place for place, source in sources.items() if source.get_field_value(field, name)[0] is not None)
        return next(setters, "default")

    return [Origin(variable(name), masked(getattr(settings, name)), origin(name)) for name in Settings.model_fields]


def masked(value: object) -> str:
    """A text to print, with a secret, and the password of any address, as ***."""
    return "***" if isinstance(value, SecretStr) else re.sub(r"(://[^:/@\s]*:)\S*@", r"\1***@", str(value))


def _complaint(problem: dict[str, Any]) -> str:
    key = str(problem["loc"][0])
    name = variable(key) if key in Settings.model_fields else key
    return f"{name} is {problem['input']!r}: {problem['msg'].replace('Input should be', 'expected')}"
