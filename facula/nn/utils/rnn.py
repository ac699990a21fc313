"""Sequences of different lengths: padded, or packed step by step."""

from __future__ import annotations

from collections import namedtuple

import facula

__all__ = ["PackedSequence", "invert_permutation", "pack_padded_sequence", "pad_packed_sequence", "pad_sequence", "unpad_sequence",
           "pack_sequence", "unpack_sequence"]

PackedSequence_ = namedtuple("PackedSequence", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"])
PackedSequence_.__annotations__ = {}


class PackedSequence(PackedSequence_):
    """Rows of all sequences ordered by time step; `batch_sizes` says how many go on at each step."""

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes.device.type != "cpu":
            raise ValueError("batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. They should "
                             "be instantiated by functions like pack_sequence and pack_padded_sequences in nn.utils.rnn. "
                             "https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence")
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        """With the data on another device or of another dtype."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        move = lambda t: t if t is None else t.to(data.device)  # noqa: E731
        return type(self)(data, self.batch_sizes, move(self.sorted_indices), move(self.unsorted_indices))

    def cuda(self, *args, **kwargs):
        return self.to("cuda")

    def cpu(self, *args, **kwargs):
        return self.to("cpu")

    def double(self):
        return self.to(dtype=facula.double)

    def float(self):
        return self.to(dtype=facula.float)

    def half(self):
        return self.to(dtype=facula.half)

    def long(self):
        return self.to(dtype=facula.long)

    def int(self):
        return self.to(dtype=facula.int)

    def short(self):
        return self.to(dtype=facula.short)

    def char(self):
        return self.to(dtype=facula.int8)

    def byte(self):
        return self.to(dtype=facula.uint8)

    def pin_memory(self):
        return self

    @property
    def is_cuda(self):
        return self.data.is_cuda

    def is_pinned(self):
        return self.data.is_pinned()


def invert_permutation(permutation):
    """The order that undoes a permutation."""
    if permutation is None:
        return None
    out = facula.empty_like(permutation)
    out.scatter_(0, permutation, facula.arange(0, permutation.numel(), device=permutation.device))
    return out


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Packs padded sequences (time, batch, ...) of the given lengths."""
    if not isinstance(lengths, facula.Tensor):
        lengths = facula.as_tensor(lengths, dtype=facula.int64, device="cpu")
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = facula.sort(lengths, descending=True)
        input = input.index_select(0 if batch_first else 1, sorted_indices.to(input.device))
    if batch_first:
        input = input.transpose(0, 1)
    counts = lengths.tolist()
    if not counts or len(counts) != input.size(1):
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} (batch_size={input.size(1)})")
    if counts[-1] <= 0:
        raise RuntimeError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0")
    if any(a < b for a, b in zip(counts, counts[1:])):
        raise RuntimeError("`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
                           "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not "
                           "need ONNX exportability.")
    sizes = [sum(n > t for n in counts) for t in range(counts[0])]
    parts, start = [], 0
    while start < len(sizes):  # runs of steps with the same batch at once
        end = start
        while end < len(sizes) and sizes[end] == sizes[start]:
            end += 1
        parts.append(input[start:end, :sizes[start]].reshape(-1, *input.shape[2:]))
        start = end
    return PackedSequence(facula.cat(parts), facula.tensor(sizes), sorted_indices, None)


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """The padded sequences and their lengths."""
    sizes = sequence.batch_sizes.tolist()
    steps = len(sizes)
    if total_length is not None:
        if total_length < steps:
            raise ValueError("Expected total_length to be at least the length of the longest sequence in input, but got "
                             f"total_length={total_length} and max sequence length being {steps}")
        steps = total_length
    rows = []
    batch, features = sizes[0], sequence.data.shape[1:]
    for part, n in zip(sequence.data.split(sizes), sizes):
        rows.append(part if n == batch else facula.cat([part, part.new_full((batch - n, *features), padding_value)]))
    for _ in range(steps - len(sizes)):
        rows.append(sequence.data.new_full((batch, *features), padding_value))
    padded = facula.stack(rows)
    lengths = facula.tensor([sum(n > b for n in sizes) for b in range(batch)])
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices.cpu()]
    return padded.transpose(0, 1) if batch_first else padded, lengths


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Stacks sequences of different lengths, filling up the shorter ones."""
    if not isinstance(sequences, (list, tuple)):
        if isinstance(sequences, facula.Tensor):
            sequences = sequences.unbind(0)
        else:
            raise RuntimeError(f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    longest = max(s.size(0) for s in sequences)
    rows = []
    for s in sequences:
        fill = s.new_full((longest - s.size(0), *s.shape[1:]), padding_value)
        rows.append(s if not len(fill) else facula.cat([fill, s] if padding_side == "left" else [s, fill]))
    return facula.stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The sequences without their padding, as a list."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [s[:int(n)] for s, n in zip(padded_sequences, lengths)]


def pack_sequence(sequences, enforce_sorted=True):
    """Packs a list of sequences of different lengths."""
    lengths = facula.as_tensor([s.size(0) for s in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The list of sequences that was packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
