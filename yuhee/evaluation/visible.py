"""Text of users and models as a page may show it."""

import re

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # change the direction of what stands around them
    "\u2028\u2029\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # separators and tags nobody sees
    "\ud800-\udfff\ufffe\uffff]"  # no characters at all; UTF-8 cannot even write surrogates
)


def visible(text: object) -> str:
    """The text with characters that hide, reorder or break what is around them spelled out as `⟨U+202E⟩`."""
    return _INVISIBLE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", str(text))
