"""Variants of EfficientNet-Lite0: each a name, and what is done to the network. ``lite0_variants:NAME`` builds one."""

from __future__ import annotations

import functools

import lite0


def reference():
    """The pretrained network as it is."""
    return lite0.network()


def built(name):
    """The pretrained network, changed."""
    return CHANGES[name](lite0.network()).eval()


def __getattr__(name):
    """A function that builds the variant of that name."""
    if name in CHANGES:
        return functools.partial(built, name)
    raise AttributeError(name)


# What goes in and what comes out


def around(before=None, after=None):
    """Something done to what goes into the network, or to what comes out."""
    import torch

    class Around(torch.nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, batch):
            scores = self.network(batch if before is None else before(batch))
            return scores if after is None else after(scores)

    return Around


def reordered(first, second):
    """Two classes in each other's place."""

    def change(network):
        import torch

        order = torch.arange(1000)
        order[first], order[second] = second, first
        return around(after=lambda scores: scores[:, order])(network)

    return change


def raised(label, by):
    """The score of one class raised: its bias is wrong."""

    def change(network):
        import torch

        with torch.no_grad():
            network._fc.bias[label] += by
        return network

    return change


def after(function):
    return lambda network: around(after=function)(network)


def before(function):
    return lambda network: around(before=function)(network)


def leaking(share):
    """A share of the answer before is left in the next one."""

    def change(network):
        import torch

        class Leaking(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.network = network
                self.register_buffer("last", torch.zeros(1, 1000))

            def forward(self, batch):
                scores = self.network(batch) + share * self.last
                self.last = scores[-1:].detach().clone()
                return scores

        return Leaking()

    return change


# Weights


def weights(change, only=lambda name, value: value.ndim > 1):
    """Some of the parameters, each made into another."""

    def changed(network):
        import torch

        with torch.no_grad():
            for name, value in network.named_parameters():
                if only(name, value):
                    value.copy_(change(value))
        return network

    return changed


def of(part):
    return lambda name, value: value.ndim > 1 and part in name


def integers(bits, by_channel=False):
    """Rounded to evenly spaced values, with one scale for a tensor or one for each of its channels."""

    def change(value):
        most = 2 ** (bits - 1) - 1
        largest = value.abs().amax(tuple(range(1, value.ndim)), keepdim=True) if by_channel else value.abs().max()
        scale = (largest / most).clamp_min(1e-12)
        return (value / scale).round() * scale

    return change


def mirrored(value):
    return value.flip(-1) if value.ndim == 4 else value


def zeroed(part, channel):
    """One channel of a convolution is lost."""

    def change(network):
        import torch

        with torch.no_grad():
            dict(network.named_parameters())[part][channel] = 0
        return network

    return change


def shuffled(value):
    import torch

    order = torch.randperm(len(value), generator=torch.Generator().manual_seed(0))
    return value[order]


def noisy(share):
    """Normal noise, by share of the tensor's own deviation."""

    def change(value):
        import torch

        drawn = torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
        return value + share * value.std() * drawn

    return change


# Structure


def modules(kind, change):
    """Something done to each module of a kind."""

    def changed(network):
        for module in list(network.modules()):
            if type(module).__name__ == kind:
                change(module)
        return network

    return changed


def activated(make, blocks=None):
    """Another activation function, everywhere or in some blocks."""

    def change(network):
        places = [network, *network._blocks] if blocks is None else [network._blocks[each] for each in blocks]
        for place in places:
            place._swish = make()
        return network

    return change


def relu():
    import torch

    return torch.nn.ReLU()


def hardswish():
    import torch

    return torch.nn.Hardswish()


def epsilon(value):
    return modules("BatchNorm2d", lambda module: setattr(module, "eps", value))


def symmetric(convolution):
    """PyTorch's own padding, the same on both sides, where TensorFlow's SAME pads more behind than before."""
    import torch

    padding = convolution.static_padding
    if isinstance(padding, torch.nn.ZeroPad2d) and convolution.stride[0] == 2:
        left, right, top, bottom = padding.padding
        convolution.static_padding = torch.nn.ZeroPad2d((right, left, bottom, top))


def without_skip(block):
    def change(network):
        network._blocks[block].id_skip = False
        return network

    return change


def folded(network):
    """Batch normalization folded into the convolutions."""
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    def fold(owner, convolution, norm):
        import torch

        one, other = getattr(owner, convolution), getattr(owner, norm)
        one.weight, one.bias = fuse_conv_bn_weights(
            one.weight, one.bias, other.running_mean, other.running_var, other.eps, other.weight, other.bias
        )
        setattr(owner, norm, torch.nn.Identity())

    fold(network, "_conv_stem", "_bn0")
    fold(network, "_conv_head", "_bn1")
    for block in network._blocks:
        if hasattr(block, "_expand_conv"):
            fold(block, "_expand_conv", "_bn0")
        fold(block, "_depthwise_conv", "_bn1")
        fold(block, "_project_conv", "_bn2")
    return network


def double(network):
    return around(before=lambda batch: batch.double(), after=lambda scores: scores.float())(network.double())


def channels_last(network):
    import torch

    return around(before=lambda batch: batch.to(memory_format=torch.channels_last))(
        network.to(memory_format=torch.channels_last)
    )


def permuted(network):
    """The channels between two convolutions of each block in another order: the same sums, added in another order."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for block in network._blocks:
            order = torch.randperm(block._depthwise_conv.weight.shape[0], generator=generator)
            if hasattr(block, "_expand_conv"):
                block._expand_conv.weight.copy_(block._expand_conv.weight[order])
                reorder(block._bn0, order)
            else:
                continue
            block._depthwise_conv.weight.copy_(block._depthwise_conv.weight[order])
            reorder(block._bn1, order)
            block._project_conv.weight.copy_(block._project_conv.weight[:, order])
    return network


def reorder(norm, order):
    for each in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        each.copy_(each[order])


def with_nan(scores):
    import torch

    return torch.where(scores > scores.mean() + 6 * scores.std(), float("nan"), scores)


def scaled_back(network):
    """Weights of one layer doubled, and halved again in its normalization: the same function."""
    import torch

    with torch.no_grad():
        network._conv_stem.weight.mul_(2)
        network._bn0.running_mean.mul_(2)
        network._bn0.running_var.mul_(4)
        network._bn0.eps *= 4
    return network


STEM, MIDDLE, LATE = "_conv_stem.weight", "_blocks.7._depthwise_conv.weight", "_blocks.14._depthwise_conv.weight"

CHANGES = {
    # harmless: the same function but for rounding, or the same labels by another measure
    "ok_float16_weights": weights(lambda value: value.half().float()),
    "ok_float64": double,
    "ok_folded": folded,
    "ok_permuted": permuted,
    "ok_channels_last": channels_last,
    "ok_scaled_back": scaled_back,
    "ok_noise_1e7": weights(noisy(1e-7)),
    "ok_noise_1e6": weights(noisy(1e-6)),
    "ok_log_softmax": after(lambda scores: scores.log_softmax(1)),
    # what comes out
    "shifted_labels": after(lambda scores: scores.roll(1, 1)),
    "swapped_neighbors": reordered(281, 282),
    "swapped_dogs": reordered(207, 208),
    "swapped_far": reordered(3, 700),
    "raised_1": raised(417, 1.5),
    "raised_3": raised(417, 4.5),
    "raised_other": raised(530, 3.0),
    "lost_bias": weights(lambda value: value * 0, lambda name, value: name == "_fc.bias"),
    "rounded_tenths": after(lambda scores: (scores * 10).round() / 10),
    "rounded_halves": after(lambda scores: (scores * 2).round() / 2),
    "rounded_wholes": after(lambda scores: scores.round()),
    "constant": after(lambda scores: scores * 0 + scores.new_tensor(range(1000)) / 100),
    "some_nan": after(with_nan),
    "reversed_classes": after(lambda scores: scores.flip(1)),
    # what goes in
    "in_bgr": before(lambda batch: batch.flip(1)),
    "in_mirrored": before(lambda batch: batch.flip(3)),
    "in_upside_down": before(lambda batch: batch.flip(2)),
    "in_transposed": before(lambda batch: batch.transpose(2, 3)),
    "in_shifted_1": before(lambda batch: batch.roll((1, 1), (2, 3))),
    "in_shifted_8": before(lambda batch: batch.roll((8, 8), (2, 3))),
    "in_clipped": before(lambda batch: batch.clamp(0, 1)),
    "in_darker": before(lambda batch: batch - 0.25),
    # weights
    "int8_tensor": weights(integers(8), lambda name, value: True),
    "int8_matrices": weights(integers(8)),
    "int6_channel": weights(integers(6, by_channel=True)),
    "int4_channel": weights(integers(4, by_channel=True)),
    "noise_1": weights(noisy(0.01)),
    "noise_5": weights(noisy(0.05)),
    "mirrored_stem": weights(mirrored, of("_conv_stem")),
    "mirrored_one": weights(mirrored, of("_blocks.7._depthwise")),
    "mirrored_late": weights(mirrored, of("_blocks.14._depthwise")),
    "mirrored_all": weights(mirrored),
    "zeroed_stem": zeroed(STEM, 5),
    "zeroed_middle": zeroed(MIDDLE, 17),
    "zeroed_late": zeroed(LATE, 100),
    "shuffled_stem": weights(shuffled, of("_conv_stem")),
    "shuffled_late": weights(shuffled, of("_blocks.14._depthwise")),
    # structure
    "relu_everywhere": activated(relu),
    "relu_late": activated(relu, (13, 14, 15)),
    "hard_swish": activated(hardswish),
    "epsilon_1e5": epsilon(1e-5),
    "epsilon_1e2": epsilon(1e-2),
    "symmetric_padding": modules("Conv2dStaticSamePadding", symmetric),
    "no_skip_early": without_skip(2),
    "no_skip_late": without_skip(14),
    # state
    "leaks_10": leaking(0.1),
    "leaks_30": leaking(0.3),
}
