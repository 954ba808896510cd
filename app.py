"""The service for `uvicorn app:app`; TAPETUM_BUNDLE names the bundle to serve."""

from tapetum import settings
from tapetum.logs import setup
from tapetum.serving.app import create_app

_settings = settings.load()
app = create_app(_settings, journal=setup.configure(_settings))
