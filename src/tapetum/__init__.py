"""From a folder of labelled pictures to an image classifier in production."""

__version__ = "0.1.0"
