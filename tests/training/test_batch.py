from collections import OrderedDict, UserDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

from lrfinder.training.batch import describe, held_bytes, size, tensors, to_device, total_size, unshare

META = torch.device("meta")
Pair = namedtuple("Pair", "x y")


@dataclass(frozen=True)
class Sample:
    x: torch.Tensor
    name: str = "a"


class Graph:
    """A batch that moves itself."""

    def __init__(self, device="cpu"):
        self.device = torch.device(device)

    def to(self, device):
        return Graph(device)


def ones():
    """A batch's tensor."""
    return torch.ones(2, 3)


BATCHES = [
    [ones(), "text"],
    (ones(), 3),
    Pair(ones(), None),
    {"x": ones(), "n": 1},
    OrderedDict(x=ones()),
    UserDict(x=ones()),
    Sample(ones()),
    {"nested": [(ones(),)]},
]


@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: type(batch).__name__)
def test_every_tensor_moves_and_containers_keep_their_type(batch):
    """Lists, tuples, mappings and dataclasses come back as they were, with their tensors moved."""
    moved = to_device(batch, META)

    assert type(moved) is type(batch)
    assert all(tensor.device == META for _, tensor in tensors(moved))
    assert all(tensor.device.type == "cpu" for _, tensor in tensors(batch))


def test_what_needs_no_copy_stays():
    """A batch with `to` moves itself; strings, numbers, None and what is on the device already stay as they are."""
    x = ones()

    assert to_device(Graph(), META).device == META
    assert to_device([x], x.device)[0] is x
    assert to_device(["a", 1, None, ()], META) == ["a", 1, None, ()]


def test_what_is_shared_between_processes_is_copied_to_be_kept():
    """Each such tensor holds a file open; the batch itself, perhaps the user's, stays shared."""
    shared, own = ones().share_memory_(), ones()
    batch = {"x": (shared, own)}

    kept, left = unshare(batch)["x"]

    assert (kept.is_shared(), shared.is_shared(), left is own) == (False, True, True)
    assert torch.equal(kept, shared)


@pytest.mark.parametrize(
    ("batch", "samples"),
    [
        (ones(), 2),
        ((torch.zeros(()), ones()), 2),
        ({"id": "a", "x": torch.zeros(5)}, 5),
        (Sample(ones()), 2),
        ("text", None),
        ([], None),
        (torch.zeros(()), None),
    ],
    ids=["tensor", "scalar first", "mapping", "dataclass", "text", "empty", "scalar"],
)
def test_the_size_is_that_of_the_first_tensor_with_rows(batch, samples):
    """Samples are counted along the first dimension, or unknown."""
    assert size(batch) == samples


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (ones(), "Tensor with 2x3 float32"),
        ({"x": ones(), "y": torch.tensor(1)}, "dict with ['x']: 2x3 float32, ['y']: scalar int64"),
        (Sample(ones()), "Sample with .x: 2x3 float32"),
        ([{"a": (ones(),)}], "list with [0]['a'][0]: 2x3 float32"),
        ("text", "str with no tensors"),
        (None, "NoneType with no tensors"),
    ],
    ids=["tensor", "mapping", "dataclass", "nested", "text", "none"],
)
def test_a_batch_is_described_by_place_shape_and_type(batch, words):
    """The words are enough to see what a model was given."""
    assert describe(batch) == words


def test_the_bytes_of_a_batch_are_those_of_its_tensors():
    """However they are packed; of a sparse tensor the values that are there."""
    sparse = torch.sparse_coo_tensor([[1, 3]], [1.0, 2.0], (1000,), check_invariants=False)

    assert held_bytes([(torch.zeros(5), 3), {"x": [torch.zeros(2, dtype=torch.float64), sparse]}]) == 20 + 16 + 8


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_the_size_of_a_nested_tensor_is_its_number_of_samples(layout):
    """Of both layouts; it can be described too."""
    nested = torch.nested.nested_tensor([torch.ones(n, 4) for n in (2, 3, 5)], layout=layout)

    assert total_size([nested, (nested, torch.ones(3))]) == 6
    assert describe(nested).endswith("with 3 nested float32")


PACKED = pack_sequence([torch.ones(n, 4) for n in (9, 8, 7, 6)])
COUNTED = {
    "packed": ((PACKED, torch.zeros(4)), 4),
    "packed alone": (PACKED, 4),
    "time first": ((torch.ones(12, 4, 5), torch.zeros(4)), 4),
    "time first by name": ({"x": torch.ones(12, 4), "y": torch.zeros(4)}, 4),
    "lists of samples": (([torch.ones(3, 5, 5)] * 8, [{"boxes": torch.ones(2, 4)}] * 8), 8),
    "lists of samples and scalars": (([torch.ones(4)] * 8, [torch.tensor(1)] * 8), 8),
    "lists of inputs and of targets": (([torch.ones(8, 2)] * 2, [torch.ones(8)] * 2), 8),
    "nodes, edges and graphs": ((torch.ones(30, 4), torch.ones(2, 80), torch.zeros(5)), None),
}


@pytest.mark.parametrize(("batch", "samples"), COUNTED.values(), ids=COUNTED)
def test_samples_are_counted_as_the_batch_is_built(batch, samples):
    """Or they are not known, where its tensors disagree."""
    assert size(batch) == samples


def images(count=32):
    """What torchvision's detectors are given by its reference's collate function: tuples of images and targets."""
    boxes = ({"boxes": torch.rand(i % 4, 4), "labels": torch.zeros(i % 4)} for i in range(count))
    return tuple(torch.rand(3, 8, 8) for _ in range(count)), tuple(boxes)


@pytest.mark.parametrize(
    ("batch", "samples"),
    [
        (images(), 32),
        ([{"x": torch.rand(20), "y": torch.tensor(1)}] * 32, 32),
        (((torch.rand(8, 2), torch.rand(8, 3)), torch.rand(8)), 8),
        (({"a": torch.rand(8, 2)}, {"b": torch.rand(8)}), 8),
    ],
    ids=["tuples", "mappings", "nested", "two mappings"],
)
def test_samples_in_places_are_told_from_fields(batch, samples):
    """A tuple with a place for each sample, or a list of mappings, counts by its length; fields count by their rows."""
    assert size(batch) == samples
