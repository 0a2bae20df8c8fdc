"""The words of facts, in English and German: numbers, months, weekdays, units and currencies."""

from __future__ import annotations

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_EINER = (
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ZEHNER = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_ORDINALS = "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"

CARDINALS: dict[str, int] = {
    **{word: n for words in (_ONES, _EINER) for n, word in enumerate(words.split())},
    **{word: 10 * n for words in (_TENS, _ZEHNER) for n, word in enumerate(words.split(), 2)},
    **{
        f"{ten}-{one}": 10 * t + n
        for t, ten in enumerate(_TENS.split(), 2)
        for n, one in enumerate(_ONES.split()[1:10], 1)
    },
    "dozen": 12,
    "dutzend": 12,
    "fortnight": 2,
    "zwo": 2,
}
ORDINALS: dict[str, int] = {word: n for n, word in enumerate(_ORDINALS.split(), 3)}
SPELT: dict[str, int] = {word: n for word, n in (CARDINALS | ORDINALS).items() if word not in ("one", "eins", "zero")}
"""Numbers in words; without "one", which is mostly no number ("one of the", "no one")."""

MULTIPLES: dict[str, float] = {
    "hundred": 1e2, "hundert": 1e2, "k": 1e3, "thousand": 1e3, "tausend": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6,
    "millions": 1e6, "millionen": 1e6, "mio": 1e6, "bn": 1e9, "billion": 1e9, "billions": 1e9, "milliarde": 1e9,
    "milliarden": 1e9, "mrd": 1e9, "trillion": 1e12,
}  # fmt: skip

_MONTHS = (
    "jan january januar jänner", "feb february februar", "mar march märz", "apr april", "may mai", "jun june juni",
    "jul july juli", "aug august", "sep sept september", "oct october okt oktober", "nov november",
    "dec december dez dezember",
)  # fmt: skip
MONTHS: dict[str, int] = {name: n for n, names in enumerate(_MONTHS, 1) for name in names.split()}
_WEEKDAYS = (
    "monday montag mondays montags", "tuesday dienstag tuesdays dienstags", "wednesday mittwoch wednesdays mittwochs",
    "thursday donnerstag thursdays donnerstags", "friday freitag fridays freitags",
    "saturday samstag sonnabend saturdays samstags", "sunday sonntag sundays sonntags",
)  # fmt: skip
WEEKDAYS: dict[str, str] = {name: names[:3] for names in _WEEKDAYS for name in names.split()}

_UNITS = {
    "%": "% percent prozent pct", "second": "second sec sekunde sekunden", "minute": "minute min minuten",
    "hour": "hour hr h std stunde stunden", "day": "day tag tage tagen", "week": "week woche wochen fortnight",
    "month": "month monat monate monaten", "quarter": "quarter quartal quartale",
    "year": "year yr jahr jahre jahren", "km": "km kilometre kilometer kilometern", "m": "metre meter metern m",
    "cm": "cm centimetre centimeter zentimeter", "mm": "mm millimetre millimeter", "mile": "mile mi meile meilen mph",
    "kg": "kg kilogram kilo kilogramm", "g": "g gram gramm", "l": "l litre liter", "inch": "inch inche zoll",
    "foot": "foot feet ft", "mb": "mb megabyte", "gb": "gb gigabyte", "kb": "kb kilobyte", "tb": "tb terabyte",
    "°c": "°c celsius", "°f": "°f fahrenheit", "kwh": "kwh", "khz": "khz",
}  # fmt: skip
UNITS: dict[str, str] = {name: unit for unit, names in _UNITS.items() for name in names.split()}
CURRENCIES: dict[str, str] = {
    "$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "usd": "usd", "eur": "eur", "gbp": "gbp", "chf": "chf",
    "dollar": "usd", "dollars": "usd", "euro": "eur", "euros": "eur", "pound": "gbp", "pounds": "gbp",
    "pfund": "gbp", "franken": "chf", "cent": "cent", "cents": "cent", "pence": "pence", "p": "pence",
}  # fmt: skip
SAME: dict[str, tuple[float, str]] = {
    "week": (7, "day"), "year": (12, "month"), "pence": (0.01, "gbp"), "tb": (1000, "gb"), "km": (1000, "m"),
}  # fmt: skip
"""A unit as an exact multiple of another one. Hours and days are none: "2 days" are not always 48 hours."""

NOT_NAMES = frozenset(
    "i i'm i'd i'll i've yes no ok the a an and or but if in on at by for to of from with as is are was were be been "
    "this that these those it its he she they we you your his her their our my who what when where why how which "
    "there here however additionally also moreover furthermore finally first second third then thus therefore "
    "currently generally typically usually overall instead meanwhile nevertheless nonetheless according based "
    "depending after before while although because since until during once when whenever although though unless "
    "please note sure sorry thanks hello hi dear mr mrs ms dr sir madam not only some any all each every both many "
    "regarding concerning including following considering given most other another such more less "
    "do does did have has had can could may might must shall should will would "
    "let make use see so than too very just yet still even "
    "der die das den dem des ein eine einen einem einer im am für bei mit nach von zu ab auf wer was wie und oder wenn "
    "dann als auch nicht kein keine sie ihr ihre unser unsere wir ich es man bis aus über unter vor "
    "seit zwischen pro je "
    "alle jeder jede jedes dies diese dieser dieses nur ja nein bitte hier dort etwa ende anfang mitte".split()
)
