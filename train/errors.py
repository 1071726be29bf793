"""The one exception that means "the input is bad"; scripts print it as one line and exit with status 1."""


class InputError(ValueError):
    """Something that the user gave cannot be used; the message names file, line or field, and what was expected."""
