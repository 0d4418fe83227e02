"""A normalised copy of a text, character by character, so that offsets stay."""

import unicodedata

_SPACES = "\t\x0b\x0c\x85\xad\u200b\u200c\u2060\ufeff"  # also what has no width: it may stand inside a number
_DASHES = "\u2212\u30fc\u2500\u2501\u3161"  # minus, long vowel mark, box lines, the vowel ㅡ: all typed as dashes
_DOTS = "\u00b7\u2022\u30fb\uff65\u3002\u2024\u2027\u318d"
SPELT = str.maketrans("공영빵일이삼사오육륙칠팔구oOlI", "00012345667890011")  # as phone numbers are spelt


def _table() -> dict[int, str]:
    """Full width to ASCII, every decimal digit to ASCII, dashes to `-`, dots to `.`, spaces to a space."""
    table = {}
    for code in range(0x80, 0x20000):
        character = chr(code)
        digit = unicodedata.decimal(character, None)
        category = unicodedata.category(character)
        if digit is not None:
            table[code] = str(digit)
        elif category == "Pd" or character in _DASHES:
            table[code] = "-"
        elif category == "Zs":
            table[code] = " "
        elif 0xFF01 <= code <= 0xFF5E:
            table[code] = chr(code - 0xFEE0)
    table.update({ord(space): " " for space in _SPACES} | {ord(dot): "." for dot in _DOTS})
    return table


_TABLE = _table()


def shadow(text: str) -> str:
    """The text in plain digits, dashes, dots and spaces; every character stays where it is."""
    return text if text.isascii() else text.translate(_TABLE)
