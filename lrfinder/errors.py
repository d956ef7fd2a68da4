"""Every exception and warning that lrfinder raises.

::

    LRFinderError
    ├── InputError (also a ValueError)   what the caller passed cannot be used; nothing was changed
    │   └── UpdateError                  a step of the training's own cannot be swept
    ├── NoSignalError                    the measurement gives no reliable learning rate (`strict=True`, `apply`)
    ├── RankError (also a RuntimeError)  another process of a distributed training has failed
    └── StateLeak                        something could not be put back as it was before

    LRFinderWarning (a UserWarning)      the result stands, but read this
"""

__all__ = ["InputError", "LRFinderError", "LRFinderWarning", "NoSignalError", "RankError", "StateLeak", "UpdateError"]


class LRFinderError(Exception):
    """The base of everything that lrfinder raises on its own account."""


class InputError(LRFinderError, ValueError):
    """What the caller passed cannot be used; the message says what it must be. Nothing was changed."""


class UpdateError(InputError):
    """A step of the training's own cannot be swept: it sets the rate itself."""


class NoSignalError(LRFinderError):
    """The measurement gives no reliable learning rate; the message says what happened and what to try."""


class RankError(LRFinderError, RuntimeError):
    """Another process of a distributed training has failed; the message says which and with what."""


class StateLeak(LRFinderError):
    """Something of the training could not be put back as it was; the message names it."""


class LRFinderWarning(UserWarning):
    """The result stands, but a person should know this."""
