"""Check digits."""

from stdnum import luhn as card_numbers
from stdnum.kr import rrn


def luhn(digits: str) -> bool:
    """Whether a card number is right by its check digit."""
    return bool(card_numbers.is_valid(digits))


def resident(digits: str) -> bool:
    """Whether the 13th digit of a resident's or a foreigner's number is right.

    Numbers given since October 2020 end in random digits: a wrong check digit proves nothing for them.
    """
    check = int(rrn.calc_check_digit(digits[:12]))
    return int(digits[12]) in (check, (check + 2) % 10)


def business(digits: str) -> bool:
    """Whether the tenth digit of a business number is right (python-stdnum looks at the shape only)."""
    if digits[:3] < "101" or digits[3:5] == "00":
        return False
    total = (
        sum(int(d) * w for d, w in zip(digits, (1, 3, 7, 1, 3, 7, 1, 3, 5), strict=False)) + int(digits[8]) * 5 // 10
    )
    return (10 - total % 10) % 10 == int(digits[9])


def passes(kind: str, digits: str) -> bool:
    """Whether digits could be a real number of a kind, as far as check digits tell."""
    if kind == "card":
        return luhn(digits)
    if kind in ("resident_number", "foreigner_number") and len(digits) == 13:
        return resident(digits)
    return kind == "business_number" and len(digits) == 10 and business(digits)
