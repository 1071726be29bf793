"""Licences of encoders, and what may be said of weights that are tuned from them. Names are those of the Hub's metadata."""

from __future__ import annotations

# Encoders whose licence is known whatever a config says of them; a name stands for all that begin with it.
_KNOWN = {"csebuetnlp/banglabert": "cc-by-nc-sa-4.0", "offline:e5-small": "mit"}
# What tuned weights get here; other licences are passed on as they are.
_TUNED = {"mit": "apache-2.0"}
# These ask for no more than attribution, so that what is made under them may be under any licence.
_FREE = {"mit", "apache-2.0", "bsd", "bsd-2-clause", "bsd-3-clause", "isc", "unlicense", "cc0-1.0", "cc-by-4.0", "cc-by-3.0"}
# Those that bind what is made under them to more than themselves; any other one binds to itself alone.
_BINDING: dict[str, set[str]] = {
    "cc-by-nc-4.0": {"cc-by-nc-4.0", "cc-by-nc-sa-4.0"},
    "cc-by-sa-4.0": {"cc-by-sa-4.0", "gpl-3.0"},
    "lgpl-3.0": {"lgpl-3.0", "gpl-3.0", "agpl-3.0"},
    "gpl-3.0": {"gpl-3.0", "agpl-3.0"},
    "cc-by-nd-4.0": set(),
    "cc-by-nc-nd-4.0": set(),
}


def of_encoder(name: str, stated: str | None) -> str | None:
    """The licence of an encoder: what is known of its name, else what its config states, None where that is nothing."""
    return next((licence for known, licence in _KNOWN.items() if name.startswith(known)), stated)


def of_tuned(licence: str | None) -> str:
    """The licence that the card gives to weights tuned from an encoder under `licence`; "other" where that is not known."""
    return _TUNED.get(licence or "", licence) or "other"


def may_become(encoder: str, tuned: str) -> bool:
    """Whether weights tuned from an encoder under one licence may be published under the other."""
    encoder, tuned = encoder.lower(), tuned.lower()
    return encoder in _FREE or tuned in _BINDING.get(encoder, {encoder})
