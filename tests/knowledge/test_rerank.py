"""A cross-encoder from a folder: the order is that of its scores, and nothing is downloaded.

The model of tests/data/reranker (see make.py there) counts the words that query and text share.
"""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.rerank import CrossEncoder
from assistant.knowledge.retrieve import Retriever
from tests.conftest import ROOT
from tests.knowledge.searching import WordEmbedder, chunks_of, document, filled, turn

MODEL = "Xenova/ms-marco-MiniLM-L-6-v2"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = "what is the cap for a hotel in london meal night pounds policy travel coffee".split()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "reranker"
    shutil.copytree(ROOT / "tests" / "data" / "reranker" / "onnx", made / "onnx")
    ids = {word: n for n, word in enumerate(SPECIAL + VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    tokenizer.save(str(made / "tokenizer.json"))
    (made / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 64, "pad_token": "[PAD]"}))
    return made


async def test_scores_come_in_the_order_of_the_texts(folder: Path) -> None:
    encoder = CrossEncoder(MODEL, folder=folder)
    texts = ["coffee", "the cap for a hotel in london", "", "hotel hotel", *["meal cap"] * 9]
    assert await encoder.scores("cap for a hotel", texts) == [0, 4, 0, 2, *[1] * 9]
    assert await encoder.scores("cap", []) == []


async def test_many_at_once_load_one_model(folder: Path) -> None:
    encoder = CrossEncoder(MODEL, folder=folder, threads=1)
    found = await asyncio.gather(*(encoder.scores("hotel", ["a hotel", "a meal"]) for _ in range(5)))
    assert found == [[1.0, 0.0]] * 5


async def test_making_one_reads_nothing_and_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    encoder = CrossEncoder(MODEL, folder=tmp_path / "none")
    assert await encoder.scores("hotel", []) == []
    with pytest.raises(EmbedderError, match=rf"the reranker '{MODEL}' cannot be loaded: .*none.*retrieval\.reranker"):
        await encoder.scores("hotel", ["a"])


async def test_a_folder_without_tokenizer_and_a_broken_model_are_clear_errors(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EmbedderError, match="tokenizer"):
        await CrossEncoder(MODEL, folder=folder).scores("hotel", ["a"])
    (folder / "onnx" / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(EmbedderError, match="cannot be loaded"):
        await CrossEncoder(MODEL, folder=folder).scores("hotel", ["a"])


async def test_an_unknown_model_is_a_clear_error(folder: Path) -> None:
    with pytest.raises(EmbedderError, match="the reranker 'no/such' cannot be loaded"):
        await CrossEncoder("no/such", folder=folder).scores("hotel", ["a"])


async def test_a_search_is_in_the_order_of_the_cross_encoder(folder: Path, tmp_path: Path) -> None:
    made = [
        document("a.md", "travel travel travel policy hotel", "A"),
        document("b.md", "the hotel in london is 165 pounds a night, which is the cap", "B"),
        document("c.md", "the travel policy", "C"),
    ]
    asked = turn("travel policy hotel in london the cap for a night")
    async with filled(tmp_path, chunks_of(*made)) as index:
        encoder = CrossEncoder(MODEL, folder=folder)
        retriever = Retriever(index, WordEmbedder(), reranker=encoder)
        passages = (await retriever.search(asked)).passages
        ranked = await retriever.ranked(asked)
    texts = [hit.chunk.embedding_text() for hit in ranked]
    scores = await encoder.scores(asked.text, texts)
    assert len(set(scores)) == 3 and scores == sorted(scores, reverse=True)
    assert [each.chunk.document for each in passages] == [hit.chunk.document for hit in ranked]


async def test_a_broken_cross_encoder_stops_no_search(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with filled(tmp_path, chunks_of(document("a.md", "the travel policy"))) as index:
        retriever = Retriever(index, WordEmbedder(), reranker=CrossEncoder(MODEL, folder=tmp_path / "none"))
        assert [each.chunk.document for each in (await retriever.search(turn("travel"))).passages] == ["a.md"]
    assert "Check retrieval.reranker" in caplog.text
