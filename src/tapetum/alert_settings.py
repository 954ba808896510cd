"""The settings of the service's own alerts: where they are mailed to, and when."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

Share = Annotated[float, Field(ge=0, le=1)]


class AlertSettings(BaseSettings):
    """Part of `settings.Settings`."""

    alerts: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether alerts are mailed; auto is on where sender, recipients and password are set. "
        "Off where Alertmanager mails.",
    )
    gmail_pass: SecretStr | None = Field(
        None, validation_alias="GMAIL_PASS", description="Password of the mail account; for Gmail, an app password."
    )
    gmail_pass_file: Path | None = Field(
        None,
        validation_alias="GMAIL_PASS_FILE",
        description="File of that password, instead; it is read again for every mail.",
    )
    mail_from: str = Field("", description="Sender of alert mails, such as `me@gmail.com` or `Cats <me@gmail.com>`.")
    mail_to: str = Field("", description="Recipients of alert mails, separated by commas.")
    smtp_host: str = Field("smtp.gmail.com", min_length=1, description="Mail server.")
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = Field(587, description="Its port.")
    smtp_starttls: Literal["on", "off"] = Field(
        "on", description="Whether to encrypt and log in; off is for a relay that wants neither."
    )
    smtp_user: str = Field("", description="Name to log in with; without one, the sender's address.")
    smtp_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that the mail server's must descend from; unset, those of the system."
    )
    alert_error_rate: Share = Field(0.05, description="Share of requests in the window that may fail; 1 is never.")
    alert_confidence: Share = Field(
        0.6, description="Average confidence in the window below which LowConfidence fires; 0 is never."
    )
    alert_single_confidence: Share = Field(
        0.0, description="Confidence below which a single prediction fires UnsurePrediction; 0 is never."
    )
    alert_accuracy_loss: Share = Field(
        0.03, description="Estimated loss of accuracy by drift above which AccuracyLoss fires; 1 is never."
    )
    alert_cpu: Share = Field(0.95, description="Share of the processors above which HighCPUUsage fires.")
    alert_memory: Share = Field(0.9, description="Share of the memory above which HighMemoryUsage fires.")
    alert_disk: Share = Field(0.9, description="Share of the disk above which HighDiskUsage fires.")
    alert_min_requests: Annotated[int, Field(ge=1)] = Field(
        20, description="Requests or predictions in the window; with fewer, shares and averages of them decide nothing."
    )
    alert_for_s: Annotated[float, Field(ge=0, le=86400)] = Field(
        60.0, description="For how long a value must be bad before its alert fires."
    )
    alert_cooldown_s: Annotated[float, Field(ge=0, le=86400)] = Field(
        900.0, description="Least time between two mails that the same alert fires."
    )
    alert_every_s: Annotated[float, Field(gt=0, le=3600)] = Field(15.0, description="Time between two looks at all.")
