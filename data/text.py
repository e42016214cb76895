"""Text normalisation: what looks the same becomes the same characters."""

import re
import unicodedata

# Control characters other than tab and newlines, soft hyphens, zero-width spaces and non-joiners,
# byte order marks, direction marks and overrides, lone surrogates.
INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200c\u200e\u200f"
    r"\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def clean_text(value: object) -> str:
    """Normalise to NFC, remove invisible characters, and strip; None becomes an empty text.

    The NFD that macOS writes, or a zero-width space inside a word, would make other tokens of the
    same word. Control characters and direction marks would steer a terminal. Emoji keep their
    zero-width joiners.
    """
    if value is None:
        return ""
    return unicodedata.normalize("NFC", INVISIBLE.sub("", str(value))).strip()
