"""The architectures by name."""

from collections.abc import Callable

from tapetum.models.backbone import Backbone
from tapetum.models.simple_cnn import SimpleCNN
from tapetum.registry import Registry

MODELS: Registry[Callable[[int, float], Backbone]] = Registry("architecture")
MODELS.add("simple_cnn", SimpleCNN)
