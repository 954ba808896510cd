"""The service for `uvicorn app:app`; TAPETUM_BUNDLE names the bundle to serve."""

from tapetum import logs, settings
from tapetum.serving.app import create_app

_settings = settings.load()
logs.configure(_settings.log_level, _settings.log_format)
app = create_app(_settings)
