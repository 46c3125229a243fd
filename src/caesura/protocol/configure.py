"""Rules for Configure: what a client may change in an open session, and why its message fails otherwise."""

from __future__ import annotations

from caesura.errors import BadParameter
from caesura.protocol.codec import quotable
from caesura.protocol.messages import Configure
from caesura.protocol.options import check_keyterms

FEATURES = ("numerals", "smart_format", "dictation", "filler_words", "profanity_filter")
"""Features that Configure turns on and off: how words are formatted."""


def configure_failure(message: Configure, model: str, *, biases: bool) -> tuple[str, str] | None:
    """Why `message` cannot be applied: code and sentence of ConfigureFailure; None: all of it can.

    Args:
        message: The client's request.
        model: Name of the session's model.
        biases: Whether that model supports keyterms.
    """
    if message.unsupported is not None:
        return "CONFIGURE_NOT_SUPPORTED", f"`{message.unsupported}` cannot be changed on this server; leave it out."
    unknown = next((name for name in message.features if name not in FEATURES), None)
    if unknown is not None:
        known = ", ".join(f"`{name}`" for name in FEATURES)
        return "CONFIGURE_FEATURE_NOT_SUPPORTED", f"`{quotable(unknown)}` is not one of the features {known}."
    if message.keyterms and not biases:
        return "CONFIGURE_KEYTERMS_NOT_SUPPORTED", f"The model {model} does not support keyterms."
    try:
        check_keyterms(message.keyterms or ())
    except BadParameter as error:
        return "CONFIGURE_KEYTERM_LIMIT_EXCEEDED", error.message
    return None
