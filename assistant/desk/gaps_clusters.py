"""Texts that mean the same, put together: agglomerative clustering by average cosine.

The chain of nearest neighbours (Benzécri 1982; Murtagh, "A survey of recent advances in hierarchical clustering
algorithms", The Computer Journal 26, 1983) gives the tree that joining the nearest pair again and again gives, in n²
steps instead of n³. Two that are nearest to each other and farther apart than is allowed are done: with average linkage
no join brings anything nearer than it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assistant.knowledge.embedder import Vectors

ALIKE = 0.5
"""The average cosine from which questions are about the same. With the shipped embedder, of CLINC150's small talk in
intents that nothing was chosen by, 99 % of what is put together belongs together (BCubed precision)."""
FAR = -2.0


def clusters(vectors: Vectors, weights: Sequence[float], alike: float = ALIKE) -> list[list[int]]:
    """The places of normalised ``vectors`` [n, d] in groups; ``weights`` say how often each counts. Memory is n² × 4
    bytes: 100 MB for 5,000."""
    number = len(vectors)
    groups: dict[int, list[int]] = {place: [place] for place in range(number)}
    weight = np.array(weights, dtype=np.float32)
    near = vectors @ vectors.T
    np.fill_diagonal(near, FAR)
    open_, chain = dict.fromkeys(range(number)), list[int]()
    while open_:
        if not chain:
            chain.append(next(iter(open_)))
        tip = chain[-1]
        nearest = int(near[tip].argmax())
        if len(chain) > 1 and near[tip, chain[-2]] >= near[tip, nearest]:
            nearest = chain[-2]
        if near[tip, nearest] < alike:
            # Nothing will come near enough to it any more; what led here may have another neighbour.
            chain.pop()
            _close(tip, near, open_)
        elif len(chain) > 1 and nearest == chain[-2]:
            del chain[-2:]
            _join(tip, nearest, near, weight, groups)
            _close(nearest, near, open_)
        else:
            chain.append(nearest)
    return list(groups.values())


def _close(place: int, near: Vectors, open_: dict[int, None]) -> None:
    near[place, :] = FAR
    near[:, place] = FAR
    del open_[place]


def _join(kept: int, gone: int, near: Vectors, weight: Vectors, groups: dict[int, list[int]]) -> None:
    both = weight[kept] + weight[gone]
    row = (weight[kept] * near[kept] + weight[gone] * near[gone]) / both
    row[[kept, gone]] = FAR
    row[(near[kept] == FAR) | (near[gone] == FAR)] = FAR
    near[kept, :] = row
    near[:, kept] = row
    weight[kept] = both
    groups[kept] += groups.pop(gone)


def central(vectors: Vectors, weights: Sequence[float]) -> int:
    """The place of the vector that is nearest to all."""
    middle = np.array(weights, dtype=np.float32) @ vectors
    return int((vectors @ middle).argmax())
