"""Numbers in a text: amounts with units, times of day, dates, versions, weekdays and months."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isclose

from cachedistill_sidecar.policy.reading import Reading

# Unit -> (dimension, factor to the dimension's base). Amounts of one dimension are compared in its base.
_UNITS: dict[str, tuple[str, float]] = {}
_DIMENSIONS = {
    "time": "ms=.001 s,sec,secs,second,seconds=1 min,mins,minute,minutes=60 h,hr,hrs,hour,hours=3600 "
    "day,days=86400 week,weeks=604800 fortnight,fortnights=1209600",
    "months": "month,months=1 year,years,yr,yrs=12",
    "bytes": "byte,bytes=1 kb,kilobyte,kilobytes=1e3 mb,megabyte,megabytes=1e6 gb,gigabyte,gigabytes=1e9 "
    "tb,terabyte,terabytes=1e12 kib=1024 mib=1048576 gib=1073741824 tib=1099511627776",
    "length": "mm=.001 cm,centimetre,centimetres,centimeter,centimeters=.01 metre,metres,meter,meters=1 "
    "km,kilometre,kilometres,kilometer,kilometers=1000 mi,mile,miles=1609.344 ft,foot,feet=.3048 inch,inches=.0254 "
    "yard,yards=.9144",
    "mass": "mg=.001 g,gram,grams=1 kg,kgs,kilo,kilos,kilogram,kilograms=1000 lb,lbs=453.592 oz,ounce,ounces=28.3495",
    "volume": "ml=.001 cl=.01 l,litre,litres,liter,liters=1 gallon,gallons=3.785",
    "power": "w,watt,watts=1 kw=1000 mw=1e6",
    "energy": "wh=1 kwh=1000 mwh=1e6",
    "frequency": "hz=1 khz=1e3 mhz=1e6 ghz=1e9",
    "celsius": "°c,c,celsius=1",
    "fahrenheit": "°f,f,fahrenheit=1",
    "percent": "%,percent=1",
    "usd": "$,usd,dollar,dollars=1",
    "eur": "€,eur,euro,euros=1",
    "gbp": "£,gbp,pound,pounds,quid=1",
    "yen": "¥,jpy,yen=1",
}
for _dimension, _line in _DIMENSIONS.items():
    for _names, _, _factor in (part.partition("=") for part in _line.split()):
        _UNITS.update(dict.fromkeys(_names.split(","), (_dimension, float(_factor))))

UNIT_WORDS = frozenset(_UNITS)
_SCALES = {"k": 1e3, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_CLOCK = {"am", "pm", "a.m", "p.m", "o'clock", "oclock"}
_ORDINAL = {"st", "nd", "rd", "th"}

# Written as they are counted.
_ONES, _TEENS, _TENS, _ORDINALS, _WEEKDAYS, _MONTHS = (
    line.split()
    for line in (
        "one two three four five six seven eight nine ten eleven twelve",
        "thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
        "twenty thirty forty fifty sixty seventy eighty ninety",
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth",
        "monday tuesday wednesday thursday friday saturday sunday",
        "january february march april may june july august september october november december",
    )
)
_WORDS: dict[str, int] = {
    **{word: value for value, word in enumerate([*_ONES, *_TEENS], 1)},
    **{word: 10 * value for value, word in enumerate(_TENS, 2)},
    **{word: value for value, word in enumerate(_ORDINALS, 1)},
    "single": 1,
    "once": 1,
    "twice": 2,
    "dozen": 12,
}
# Words that count now and then, and mostly don't: they speak only when the other text has such a word too.
_FAINT = {"one", "single", "once", "first", "second"}
_MULTIPLES = {"hundred": 100, "thousand": 1000}
_WORD = "|".join(_WORDS)
_SPELLED = re.compile(
    rf"\b(?P<head>{_WORD})(?:[ -](?P<tail>{'|'.join(_ONES)}))?(?P<multiples>(?:[ -](?:{'|'.join(_MULTIPLES)}))*)\b"
)
_SPELLED_WORDS = frozenset(_WORDS)

_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(
    r"(?<![\w.])(?P<faint>~)?(?P<sign>(?<!\S)-)?(?P<currency>[$€£¥])?\s?(?:\bv\.?)?"
    r"(?P<digits>\d{4}-\d\d?-\d\d?|\d+(?:[.,:/]\d+)*)"
    r"(?:(?P<gap>[ -]?)(?P<unit>°\s?[cf]\b|[%€£$¥]|[ap]\.m\b|o'clock\b|per cent\b|[^\W\d_]+\b))?"
    r"(?P<stuck>\w*)"
)
_MOST_NUMBERS = 50  # in a text; more are a table, compared as it stands
_MOST_DIGITS = 15  # what a float tells apart; a longer one is a serial number, compared as written
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3}){2,}")

_CALENDAR: dict[str, frozenset[str]] = {
    "weekday": frozenset(_WEEKDAYS[:5]),
    "weekend": frozenset(_WEEKDAYS[5:]),
    **{day: frozenset({day}) for day in _WEEKDAYS},
}
_CALENDAR.update({f"{word}s": days for word, days in list(_CALENDAR.items())})
_CALENDAR.update({month: frozenset({month}) for month in _MONTHS})
_CALENDAR.update({month[:3]: frozenset({month}) for month in _MONTHS if month[:3] not in ("mar", "may", "jun", "jul")})
_CALENDAR.update({"sept": frozenset({"september"}), "jun": frozenset({"june"}), "jul": frozenset({"july"})})
CALENDAR_WORDS = frozenset(_CALENDAR)
_RELATIVE = re.compile(
    r"\b(?:(?:this|next|last|previous|same|every|per)[ -](?:hour|day|night|week|weekend|month|quarter|year)"
    r"|today|tonight|tomorrow|yesterday)\b"
)
_BEFORE_MONTH = {"in", "of", "by", "since", "from", "until", "till", "before", "after", "next", "last", "early", "late"}


@dataclass(frozen=True, slots=True)
class Number:
    """A number: the value as written, its dimension if it has a unit, the value in the dimension's base.

    A version, date or the like is a `literal`: equal only when written equally.
    """

    written: float
    dimension: str | None
    base: float
    literal: str | None = None
    faint: bool = False

    def agrees(self, other: Number) -> bool:
        """Whether the two may be the same number. One without a unit agrees with any that is written alike."""
        if self.literal is not None or other.literal is not None:
            return self.literal == other.literal
        if self.dimension == other.dimension:
            return isclose(self.base, other.base, rel_tol=1e-9)
        if self.dimension is None or other.dimension is None:
            clock, bare = (self, other) if other.dimension is None else (other, self)
            half_day = clock.dimension == "clock" and (clock.base - bare.written * 60) % 720 == 0
            return half_day or isclose(self.written, other.written)
        return False


def units(reading: Reading) -> set[str]:
    """The units that a text names, with or without a number, each as dimension and factor: "km" is "kilometres"."""
    return {"{}*{}".format(*_UNITS[word]) for word in reading.vocabulary & UNIT_WORDS if len(word) > 1}


def numbers_differ(left: Reading, right: Reading) -> bool:
    """Whether one text has a number, weekday or month that the other hasn't."""
    return (
        _differ(_numbers(left), _numbers(right))
        or _calendars_differ(_days(left), _days(right))
        or _relatives_differ(left.lower, right.lower)
    )


def _differ(left: list[Number], right: list[Number]) -> bool:
    if left == right or max(len(left), len(right)) > _MOST_NUMBERS:
        return left != right
    missing, rest = list(left), list(right)
    # Numbers of one unit pair first, so that a bare one takes nobody's partner, whichever text comes first.
    for alike in (True, False):
        for number in list(missing):
            partners = (other for other in rest if (number.dimension == other.dimension) is alike)
            match = next((other for other in partners if number.agrees(other)), None)
            if match is not None:
                missing.remove(number)
                rest.remove(match)
    loud = any(not number.faint for number in [*missing, *rest])
    return loud or bool(missing and rest)


def _numbers(reading: Reading) -> list[Number]:
    text = reading.lower
    if not reading.vocabulary.isdisjoint(_SPELLED_WORDS):
        text = _SPELLED.sub(_digits, text)
    if not _DIGIT.search(text):
        return []
    found = (_number(match) for match in _NUMBER.finditer(text))
    return [number for number in found if number is not None]


def _digits(match: re.Match[str]) -> str:
    value = _WORDS[match["head"]] + _WORDS.get(match["tail"] or "", 0)
    for multiple in (match["multiples"] or "").replace("-", " ").split():
        value *= _MULTIPLES[multiple]
    faint = match["head"] in _FAINT and not match["tail"] and not match["multiples"]
    return f"~{value}" if faint else str(value)


def _number(match: re.Match[str]) -> Number | None:
    digits, unit, attached = match["digits"], (match["unit"] or "").replace(" ", ""), not match["gap"]
    known = unit in _UNITS or unit in _SCALES or unit in _CLOCK or unit in _ORDINAL
    if match["stuck"] or (unit and attached and not known):
        return None  # letters and digits in one: an identifier
    faint = match["faint"] is not None
    if unit in _CLOCK or (":" in digits and digits.count(":") == 1):
        return _clock(digits, unit)
    value = _value(digits)
    if value is None:
        return Number(0, None, 0, digits, faint)
    value *= _SCALES.get(unit, 1) * (-1 if match["sign"] else 1)
    dimension, factor = _UNITS.get(match["currency"] or unit, (None, 1.0))
    if dimension is None and "." in digits and unit not in _SCALES:
        return Number(0, None, 0, digits, faint)  # 3.1 and 3.10 are two versions
    return Number(value, dimension, value * factor, None, faint)


def _value(digits: str) -> float | None:
    if sum(map(str.isdigit, digits)) > _MOST_DIGITS:
        return None
    if digits.isdigit():
        return float(digits)
    if _THOUSANDS.fullmatch(digits):
        grouped = digits.replace(",", "") if "," in digits else digits.replace(".", "")
        return float(grouped)
    whole, mark, part = digits.replace(",", ".").partition(".")
    return float(f"{whole}.{part}") if mark and whole.isdigit() and part.isdigit() else None


def _clock(digits: str, unit: str) -> Number:
    hour, _, minute = digits.replace(".", ":").partition(":")
    if not (hour.isdigit() and (minute or "0").isdigit() and len(hour) <= 2 and len(minute) <= 2):
        return Number(0, None, 0, digits)
    hours = int(hour) % 12 + 12 if unit.startswith("p") else int(hour) % 12 if unit.startswith("a") else int(hour)
    minutes = 60 * hours + int(minute or 0)
    # Without am or pm it may be either.
    return Number(int(hour), "clock" if unit.startswith(("a", "p")) or minute else None, minutes)


def _days(reading: Reading) -> frozenset[str]:
    """The weekdays and months that a text names."""
    named = reading.vocabulary & CALENDAR_WORDS
    if "may" in named and not any(
        _is_month(at, reading.words) for at, word in enumerate(reading.words) if word == "may"
    ):
        named -= {"may"}
    return frozenset().union(*(_CALENDAR[name] for name in named)) if named else named


def _is_month(at: int, words: tuple[str, ...]) -> bool:
    """Whether the word there, which may also be a verb, is meant as a month."""
    before, after = words[at - 1] if at else "", words[at + 1] if at + 1 < len(words) else ""
    return before in _BEFORE_MONTH or before.rstrip("stndrh").isdigit() or after.rstrip("stndrh").isdigit()


def _calendars_differ(days: frozenset[str], others: frozenset[str]) -> bool:
    # A day may stand for a group of days, and the reverse: "Saturday" for "weekends", "weekdays" for "Monday".
    return bool(days) != bool(others) or not (days <= others or others <= days)


def _relatives_differ(left: str, right: str) -> bool:
    mine, theirs = _RELATIVE.findall(left), _RELATIVE.findall(right)
    # "last train tonight" and "last train": left unsaid is not contradicted.
    return bool(mine and theirs) and {word.replace("-", " ") for word in mine}.isdisjoint(
        word.replace("-", " ") for word in theirs
    )
