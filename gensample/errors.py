"""Errors that a user can cause; the command line prints them as one line and exits with 2."""


class GensampleError(Exception):
    """Base of all user-facing errors: the message says what was expected, what came, and the cure."""


class DataError(GensampleError):
    """A file or dataset is not what it must be."""


class ConfigError(GensampleError):
    """A setting, or a combination of settings, cannot work."""


class MissingDependencyError(GensampleError):
    """An optional program or package is not installed."""
