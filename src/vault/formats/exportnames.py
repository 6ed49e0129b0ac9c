"""File names inside an export: safe on every system, in every language, whatever a paper was called where it came from.

    documents/<number>-<name>[.txt]

The number is the paper's own, so that no two names are alike on any file system. Of the given name stay letters, digits and
``- _ . ( )``; what a browser or a system would act on gets ``.txt`` behind it, and keeps its bytes.

Source: docs/spec/export.md §2; FI 1050/2018 § 29 (a personal identity code stands in no file name).
"""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 80
_KEPT = "-_.()"
_IDENTITY_CODE = re.compile(r"[0-9]{6}[-+A-FU-Ya-fu-y_ ]?[0-9]{3}[0-9A-Ya-y]")
_ACTIVE = re.compile(
    r"app|apk|bat|chm|cmd|com|command|desktop|exe|hta|html?|inf|jar|jse?|lnk|mht|mhtml|mjs|ms[ip]|pif|ps1|reg|sc[rt]|s?html?|sh|svgz?|url|vb[es]"
    r"|webloc|ws[fh]|xht|xhtml|xml|xslt?",
    re.IGNORECASE,
)
_ACTIVE_TYPES = (
    "text/html",
    "application/xhtml",
    "image/svg",
    "text/xml",
    "application/xml",
    "javascript",
    "ecmascript",
)


def safe_name(number: int, filename: str, media_type: str) -> str:
    """The name of paper ``number`` (from 1) below ``documents/``.

    Shapes: 4 digits, a hyphen, 1 to 80 characters, and ``.txt`` for what would be acted on.
    Source: docs/spec/export.md §2.
    """
    last = filename.replace("\\", "/").rpartition("/")[2]
    text = _IDENTITY_CODE.sub("_", unicodedata.normalize("NFC", last))
    kept = "".join(c if c in _KEPT or unicodedata.category(c)[0] in "LN" else "_" for c in text)
    stem, dot, extension = re.sub(r"_+", "_", kept).strip("._ ").rpartition(".")
    if not dot or len(extension) > 10:
        stem, extension = (f"{stem}{dot}{extension}", "")
    stem = stem.strip("._ ")[: _LONGEST - len(extension) - 1].rstrip("._ ") or "asiakirja"
    name = f"{number:04}-{stem}.{extension}" if extension else f"{number:04}-{stem}"
    active = _ACTIVE.fullmatch(extension) is not None or any(one in media_type.lower() for one in _ACTIVE_TYPES)
    return f"{name}.txt" if active else name
