"""Counting: exact for OpenAI's families, high by a little for others, and never from the network."""

import math
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import ChatMessage, DocumentPart, TextPart, tokens
from connectors.openai_compat import render_document
from connectors.tokens import CL100K, O200K, UNKNOWN, Counter, bound, counter, estimate, family
from tests.conftest import ROOT

LANGUAGES = {
    "german": "Wer länger als drei Tage krank ist, legt seiner Vorgesetzten spätestens am vierten Tag eine ärztliche "
    "Bescheinigung vor. Überstunden werden innerhalb des laufenden Vierteljahres durch Freizeit ausgeglichen; eine "
    "Auszahlung ist nur mit schriftlicher Zustimmung der Personalabteilung möglich. ",
    "french": "Les frais de déplacement sont remboursés sur présentation des justificatifs originaux, au plus tard "
    "trente jours après le retour. Un acompte peut être demandé à l'avance pour les voyages à l'étranger. ",
    "russian": "Заявление на отпуск подаётся не позднее чем за две недели до его начала. Руководитель подтверждает "
    "его в течение трёх рабочих дней, а копия остаётся в отделе кадров. ",
    "chinese": "员工请假须提前三个工作日提交申请，由部门主管审批。病假超过两天的，应当提供医院证明。"
    "年假可以分次使用，但不得跨年度累计，特殊情况须经人事部门同意。",
    "japanese": "出張の申請は、出発の二週間前までに上司に提出してください。"
    "宿泊費と交通費は領収書がある場合にのみ精算されます。",
    "korean": "휴가 신청은 최소 이 주 전에 제출해야 하며, 담당 관리자가 사흘 안에 승인 여부를 알려 줍니다. "
    "병가가 이틀을 넘으면 진단서를 함께 제출하십시오. ",
}


async def loaded(of: tokens.Family) -> Counter:
    found = Counter(of)
    await found.load()
    assert found.exact
    return found


@pytest.mark.parametrize(
    ("text", "cl100k", "o200k"),
    # From OpenAI's cookbook, "How to count tokens with tiktoken".
    [("antidisestablishmentarianism", 6, 6), ("2 + 2 = 4", 7, 7), ("お誕生日おめでとう", 9, 8)],
)
async def test_openai_families_are_counted_exactly(text: str, cl100k: int, o200k: int) -> None:
    assert (await loaded(CL100K)).text(text) == cl100k
    assert (await loaded(O200K)).text(text) == o200k


async def test_words_that_look_like_control_tokens_are_text() -> None:
    assert (await loaded(O200K)).text("<|endoftext|>") > 1


def test_loading_touches_no_environment_no_cache_and_no_llama_index(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, socket, sys\n"
        "def refuse(*_): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "before = dict(os.environ)\n"
        "from connectors.tokens import counter\n"
        "for model in ('gpt-5-mini', 'gpt-4'):\n"
        "    found = counter(model); asyncio.run(found.load()); assert found.exact and found.text('hello world') == 2\n"
        "assert dict(os.environ) == before\n"
        "print([name for name in sys.modules if name.startswith('llama_index')])"
    )
    environment = os.environ | {"TIKTOKEN_CACHE_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr
    assert list(tmp_path.iterdir()) == []


async def test_without_the_file_the_estimate_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "find_spec", lambda _: None)
    monkeypatch.setattr(tokens, "_encodings", {})
    found = counter("gpt-5-mini")
    await found.load()
    assert not found.exact
    assert found.text("Which form do I need?") == estimate("Which form do I need?")


async def test_a_damaged_file_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = tokens.find_spec("llama_index")
    assert real and real.submodule_search_locations
    folder = Path("core", "_static", "tiktoken_cache")
    (tmp_path / folder).mkdir(parents=True)
    for path in Path(next(iter(real.submodule_search_locations)), folder).iterdir():
        (tmp_path / folder / path.name).write_bytes(b"\n".join(path.read_bytes().splitlines()[:-1]))
    damaged = ModuleSpec("llama_index", None, is_package=True)
    damaged.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(tokens, "find_spec", lambda _: damaged)
    monkeypatch.setattr(tokens, "_encodings", {})
    assert tokens.encoding("o200k_base") is None


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5-mini", "o200k_base"),
        ("openai:gpt-4o-mini", "o200k_base"),
        ("ft:gpt-4.1:acme:claude-like:x", "o200k_base"),
        ("gpt-oss:20b", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("ft:gpt-3.5-turbo-0125:acme::x", "cl100k_base"),
        ("anthropic:claude-sonnet-4-5", "claude"),
        ("Qwen/Qwen3-8B", "qwen"),
        ("/models/mistral-7b.Q4_K_M.gguf", "32k"),
        ("mistralai:mistral-small-latest", "mistral"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama"),
        ("mistralai:mixtral-8x7b", "32k"),
        ("llama2:13b", "32k"),
        ("google_genai:gemini-2.5-flash", "gemini"),
        ("our-own", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_family_is_found_however_its_server_writes_it(model: str | None, expected: str) -> None:
    assert family(model).name == expected


def samples() -> list[str]:
    """Pieces of 1,500 characters of this project's own prose, tables and code, and of other languages."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("connectors/*.py"), *ROOT.glob("prompts/*.md")]
    texts = [path.read_text(encoding="utf-8") for path in sorted(files)]
    pieces = [text[at : at + 1500] for text in texts for at in range(0, len(text), 1500)]
    return [piece for piece in pieces if len(piece) > 300] + [text * 3 for text in LANGUAGES.values()]


async def test_the_estimate_errs_on_the_high_side_by_a_little() -> None:
    exact = await loaded(O200K)
    ratios = {text: estimate(text) / exact.text(text) for text in samples()}
    assert len(ratios) > 100
    assert sum(1.0 <= ratio <= 1.35 for ratio in ratios.values()) >= 0.95 * len(ratios)
    for text in LANGUAGES.values():
        assert 1.0 <= ratios[text * 3] <= 1.45, text


async def test_other_families_cost_more_than_openais_newest() -> None:
    for text in (*LANGUAGES.values(), "Which form do I need for a new starter? " * 5):
        assert estimate(text, UNKNOWN) > estimate(text)


async def test_a_message_counts_its_documents_as_they_are_sent_and_what_surrounds_them() -> None:
    exact = await loaded(O200K)
    document = DocumentPart(1, "Travel & leave", "Claims", "Claim <within> 30 days.", date="2026-01-02")
    message = ChatMessage("user", (document, TextPart("How long?")))
    sent = f"{render_document(document)}\n\nHow long?"
    assert exact.text(sent) <= exact.message(message) <= exact.text(sent) + 7
    assert exact.messages([message, message]) == 2 * exact.message(message) + tokens.REPLY


@given(st.lists(st.tuples(st.text(), st.text(), st.booleans()), max_size=4))
def test_the_bound_bounds(drawn: list[tuple[str, str, bool]]) -> None:
    messages = [
        ChatMessage("user", (DocumentPart(1, other, other, text) if is_document else TextPart(text), TextPart(other)))
        for text, other, is_document in drawn
    ]
    counted = Counter(O200K)
    counted._encoding = tokens.encoding("o200k_base")
    assert counted.messages(messages) <= bound(messages)
    assert Counter(UNKNOWN).messages(messages) <= bound(messages)


@pytest.mark.parametrize("text", ["a" * 300_000, " " * 300_000, "!" * 300_000, "(a" * 150_000, "\ud800 x"])
async def test_odd_texts_are_counted_too(text: str) -> None:
    exact = (await loaded(O200K)).text(text)
    assert 0 < exact <= 3 * len(text)
    assert len(text) / 16 <= estimate(text) <= 3 * len(text)


def test_the_ratio_follows_the_provider_up_fast_and_down_slowly_within_bounds() -> None:
    found = Counter(UNKNOWN)
    found.learn(1000, 1500)
    risen = found.ratio
    assert 1.0 < risen < 1.5
    found.learn(1000, 1000)
    assert 1.0 < found.ratio < risen
    assert risen - found.ratio < risen - 1.0
    for _ in range(200):
        found.learn(1000, 3900)
    assert math.isclose(found.ratio, 3.0, rel_tol=1e-6)
    for _ in range(200):
        found.learn(1000, 500)
    assert math.isclose(found.ratio, 0.7, rel_tol=1e-6)


@pytest.mark.parametrize(("counted", "reported"), [(100, 150), (1000, 10), (1000, 9000), (1000, 0), (0, 0)])
def test_short_requests_and_implausible_reports_teach_nothing(counted: int, reported: int) -> None:
    found = Counter(UNKNOWN)
    found.learn(counted, reported)
    assert found.ratio == 1.0
