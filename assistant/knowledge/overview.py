"""What stands for a whole document: how it begins, and of each part of the rest what is closest to all of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assistant.knowledge.documents import Chunk
from assistant.knowledge.store import Hit, Index, Point


async def overview(index: Index, collection: str, titles: Sequence[str], count: int) -> list[tuple[Hit, list[Chunk]]]:
    """About ``count`` chunks of the collection's documents of these titles, at least the beginning of each, in the
    order of the text, each with its neighbours. A hit's similarity is that to the mean of its document."""
    documents = [each for each in await index.documents(collection) if each.title in titles and each.whole]
    found: list[tuple[Hit, list[Chunk]]] = []
    share = max(1, count // max(1, len(documents)))
    for document in documents[:count]:
        points = await index.points(collection, document.source, document.document)
        found += [_with_neighbours(points, *each) for each in _chosen(points, share)]
    return found


def _chosen(points: Sequence[Point], count: int) -> list[tuple[int, float]]:
    """The places of the chunks, with their similarity to the whole."""
    vectors = np.array([point.vector for point in points], dtype=np.float32)
    mean = vectors.mean(axis=0)
    near = vectors @ (mean / max(float(np.linalg.norm(mean)), 1e-12))
    places = [0]
    for part in np.array_split(np.arange(1, len(points)), max(1, count - 1)) if count > 1 else ():
        if len(part):
            places.append(int(part[near[part].argmax()]))
    return [(place, float(near[place])) for place in places]


def _with_neighbours(points: Sequence[Point], place: int, near: float) -> tuple[Hit, list[Chunk]]:
    around = points[max(0, place - 1) : place + 2]
    return Hit(points[place].chunk, near, near), [point.chunk for point in around]
