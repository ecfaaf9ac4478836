"""Scores of every variant of a network, by its framework alone: ``score_variants.py NETWORK PICTURES SCORES.npz``."""

from __future__ import annotations

import sys

import numpy as np
import pictures


def main():
    network, folder, target, *names = sys.argv[1:]
    ways, images = pictures.WAYS[network], pictures.all_of(folder)
    usual = [ways["as_it_should"](image) for image in images]
    module, scores_of = {"lite0": lite0, "mobilenet": mobilenet}[network]()
    found = {"reference": scores_of(module.reference(), usual)}
    for name in names:
        if name in module.CHANGES:
            found[name] = scores_of(module.built(name), usual)
        else:
            found[name] = scores_of(module.reference(), [ways[name](image) for image in images])
    np.savez(target, **found)


def lite0():
    """One picture after the other, in eager torch."""
    import lite0_variants
    import torch

    torch.set_num_threads(1)

    def scores_of(network, images):
        with torch.inference_mode():
            batch = [torch.from_numpy(np.ascontiguousarray(each.transpose(2, 0, 1)[None])) for each in images]
            return np.concatenate([network(each).numpy() for each in batch])

    return lite0_variants, scores_of


def mobilenet():
    """Twenty pictures a call, in eager keras."""
    import mobilenet_variants

    def scores_of(network, images):
        batches = [np.ascontiguousarray(images[start : start + 20]) for start in range(0, len(images), 20)]
        return np.concatenate([np.asarray(network(each, training=False)) for each in batches])

    return mobilenet_variants, scores_of


if __name__ == "__main__":
    main()
