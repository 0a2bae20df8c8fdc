"""An answer read as claims: sentences at their places, the citations of each, and what states nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.claims import claims, is_claim, plain, sentences, stated

ANSWER = """Sure! You get **26 days** of leave [1]. They must be used by 30 June.[2] See e.g. the U.S. page
of Dr. Brown.

## Rates

There are three of them:
- Under 3 years: 26 days. They count in full. [1]
- **10 or more**: 30 [2]

> A quotation is read too [3].

| Where | Cap |
|---|---|
| London | £165 [1] |
| Elsewhere | £120 |

```python
total = rates[1]. Nothing to see.
```

Would you like me to look further?"""


def found(answer: str) -> dict[str, tuple[int, ...]]:
    return {each.text: each.cites for each in claims(answer)}


def test_each_claim_has_its_own_citations() -> None:
    assert found(ANSWER) == {
        "You get 26 days of leave.": (1,),
        "They must be used by 30 June.": (2,),
        "See e.g. the U.S. page of Dr. Brown.": (),
        "Under 3 years: 26 days.": (1,),
        "They count in full.": (1,),
        "10 or more: 30": (2,),
        "A quotation is read too.": (3,),
        "London · £165": (1,),
        "Elsewhere · £120": (),
    }


def test_lead_in_and_table_head_are_kept_with_what_completes_them() -> None:
    heads = {each.text: each.head for each in claims(ANSWER)}
    assert heads["Under 3 years: 26 days."] == "There are three of them:"
    assert heads["London · £165"] == "Where · Cap"
    assert heads["You get 26 days of leave."] == ""


def test_places_are_those_of_the_answer() -> None:
    places = [ANSWER[each.start : each.end] for each in claims(ANSWER)]
    assert places[:2] == ["You get **26 days** of leave [1].", "They must be used by 30 June.[2]"]
    assert "London | £165 [1]" in places


@pytest.mark.parametrize(
    "text",
    [
        "Sure!",
        "Yes, that's correct.",
        "Would you like me to look that up?",
        "Let me know if you need anything else.",
        "I do not have specific information on the winter menu.",
        "The documents do not say how long that takes.",
        "Das steht nicht in den Dokumenten.",
        "Ich kann dazu leider nichts finden.",
        "Vielen Dank für Ihre Nachricht.",
        "There are three kinds of leave:",
        "",
    ],
)
def test_what_states_nothing_is_no_claim(text: str) -> None:
    assert not is_claim(text)


@pytest.mark.parametrize("text", ["Gas canisters cannot be sent back.", "UK · £120", "Die Sätze gelten ab März."])
def test_what_states_something_is_one(text: str) -> None:
    assert is_claim(text)


def test_a_statement_is_read_without_its_yes_and_without_its_hedge() -> None:
    assert stated("Yes, you may carry over 5 days.") == "you may carry over 5 days."
    assert stated("I do not have much on this, but the cap is £165.") == "cap is £165."


@pytest.mark.parametrize(
    "text, count",
    [
        ("It starts on 2. März 2026 in Kelsby. Danach gilt der alte Satz.", 2),
        ("Das kostet ca. 5 Euro (z. B. im Laden). Mehr nicht, sagt Frau Vale.", 2),
        ("He left in 2017. She stayed in Brackwater.", 2),
        ("Orders over 3.5 kg cost more, i.e. £9.95 each.", 1),
    ],
)
def test_abbreviations_and_numbers_end_no_sentence(text: str, count: int) -> None:
    assert len(sentences(text)) == count


def test_markdown_goes_and_words_stay() -> None:
    assert (
        plain("- **Up to 5** days, see [the page](leave.md) `rm -rf` [1][2].") == "Up to 5 days, see the page rm -rf."
    )


@given(st.text(alphabet=st.sampled_from('aB1.!?:*|-#> \n[]`"ß£'), max_size=120))
def test_any_text_can_be_read_and_places_never_overlap(text: str) -> None:
    last = 0
    for each in sentences(text):
        assert last <= each.start < each.end <= len(text)
        last = each.end
