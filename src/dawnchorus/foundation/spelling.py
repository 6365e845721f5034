"""One spelling for each text: macOS writes an accented letter as two characters, other systems as one."""

import unicodedata


def composed(text: str) -> str:
    """Return a text in Unicode's composed form (NFC), in which texts that look the same are the same."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
