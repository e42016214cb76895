"""Text as it is read: one form for what looks the same, nothing that cannot be seen."""

import re
import unicodedata

# Control characters but tab and newlines, soft hyphen, zero-width space, non-joiner, byte order
# mark, marks and overrides of direction, lone surrogates.
INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200c\u200e\u200f"
    r"\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def clean_text(value: object) -> str:
    """NFC, stripped, without what cannot be seen; a missing cell is empty.

    macOS writes NFD: the same word in other tokens. So does a zero-width space within a word; and
    marks of writing direction or control characters steer a terminal. Emoji keep their joiners.
    """
    if value is None:
        return ""
    return unicodedata.normalize("NFC", INVISIBLE.sub("", str(value))).strip()
