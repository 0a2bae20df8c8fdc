"""Which rows of tables are quoted: those that the turn's words tell from others, of the table that is meant."""

from connectors.extract import Quote, quotes
from connectors.ranking import Asked
from connectors.table_rows import SHORT_TABLE, whole_tables

TRAVEL = """### Meals

| Where | Away 5 to 10 hours | Overnight |
|---|---|---|
| United Kingdom | £20 | £42 |
| Rest of Europe | £28 | £58 |

### Hotel caps

| Where | Cap per night |
|---|---|
| London | £165 |
| Elsewhere in the United Kingdom | £120 |
| Rest of Europe | £150 |
| Rest of the world | £185 |

### Mileage

Use a pool car first if one is free.

| Vehicle | Rate per mile |
|---|---|
| Car or van, first 8,000 miles | 48p |
| Car or van, after 8,000 miles | 28p |
| Motorcycle | 26p |
"""


def every(text: str = TRAVEL) -> list[Quote]:
    return quotes(0, text)


def said(chosen: list[Quote], turn: str, *earlier: str) -> list[str]:
    return [quote.text for quote in whole_tables(chosen, every(), Asked(turn, earlier))]


def rows(*texts: str) -> list[Quote]:
    return [quote for quote in every() if any(text in quote.text for text in texts)]


def test_the_row_that_the_turn_names_is_quoted_whichever_was_chosen() -> None:
    chosen = rows("London", "first 8,000")
    assert said(chosen, "what is the mileage rate for a motorcycle?") == ["| Motorcycle | 26p |"]


def test_a_follow_up_means_the_table_that_was_spoken_of() -> None:
    assert said(rows("United Kingdom |"), "and elsewhere in Europe?", "What is the hotel cap per night in London?") == [
        "| Elsewhere in the United Kingdom | £120 |",
        "| Rest of Europe | £150 |",
    ]


def test_a_row_that_holds_less_than_another_of_the_turn_is_left_out() -> None:
    assert said(rows("first 8,000"), "rate for a car after 8,000 miles") == ["| Car or van, after 8,000 miles | 28p |"]


def test_where_nothing_tells_rows_apart_a_short_table_is_whole() -> None:
    assert len(said(rows("London"), "what are the hotel caps?")) == 4


def test_of_a_long_table_only_the_chosen_rows_where_nothing_tells_them_apart() -> None:
    long = "| Code | Price |\n|---|---|\n" + "\n".join(f"| item {n} | £{n} |" for n in range(SHORT_TABLE + 1))
    all_of_it = every(long)
    assert whole_tables(all_of_it[2:4], all_of_it, Asked("what does it cost?")) == all_of_it[2:4]


def test_sentences_stay_where_they_are_among_tables() -> None:
    pool = [quote for quote in every() if quote.kind == "sentence"]
    assert said([*pool, *rows("Motorcycle")], "what is paid for a motorcycle?") == [
        "Use a pool car first if one is free.",
        "| Motorcycle | 26p |",
    ]


def test_tables_that_hold_nothing_of_the_turn_all_stay() -> None:
    assert len(said(rows("London", "Motorcycle"), "wie viel?")) == 7
