"""Sparse tensors: values by hand, properties, and gradients against finite differences."""

import copy
import io

import pytest

import facula
from facula import nn

INDICES, VALUES = [[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0]


def matrix(**options):
    return facula.sparse_coo_tensor(INDICES, VALUES, (2, 4), **options)


def random_dense(*size, seed=0):
    x = facula.randn(*size, dtype=facula.float64, generator=facula.Generator().manual_seed(seed))
    return x.masked_fill(x < 0.3, 0)


def test_text():
    assert repr(matrix()) == ("tensor(indices=tensor([[0, 1, 1],\n                       [2, 0, 2]]),\n       values=tensor([3., 4., 5.]),\n"
                              "       size=(2, 4), nnz=3, layout=torch.sparse_coo)").replace("torch", facula.__name__)


def test_questions():
    s = matrix()
    assert s.layout == facula.sparse_coo and s.is_sparse and not s.is_sparse_csr and not s.is_coalesced()
    assert (s._nnz(), s.sparse_dim(), s.dense_dim(), s.numel(), tuple(s.shape), s.stride()) == (3, 2, 0, 8, (2, 4), (0, 0))
    assert not facula.ones(2).is_sparse and facula.ones(2).layout == facula.strided


@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"])
def test_to_layout_and_back(layout):
    x = random_dense(4, 6)
    sparse = x.to_sparse(layout=getattr(facula, layout), blocksize=(2, 3) if "bs" in layout else None)
    assert sparse.layout == getattr(facula, layout)
    assert facula.equal(sparse.to_dense(), x)
    if "bs" not in layout:
        assert facula.equal(sparse.to_sparse().to_dense(), x)
        assert facula.equal(sparse.t().to_dense(), x.t())


def test_batches_of_compressed_rows():
    x = facula.eye(3).repeat(2, 1, 1)
    assert facula.equal(x.to_sparse_csr().to_dense(), x)


def test_coalescing_adds_and_sorts():
    s = facula.sparse_coo_tensor([[2, 0, 2]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], (4, 2)).coalesce()
    assert s.indices().tolist() == [[0, 2]] and s.values().tolist() == [[3, 4], [6, 8]] and s.is_coalesced()


@pytest.mark.parametrize("arguments, text", [
    (([[0, 5]], [1.0, 2.0], (3,)), "size is inconsistent with indices: for dim 0, size is 3 but found index 5"),
    (([[0, -1]], [1.0, 2.0], (3,)), "found negative index -1 for dim 0"),
    (([[0, 1]], [1.0], (3,)), "indices and values must have same nnz"),
    (([[0, 1]], [1.0, 2.0], (3, 3)), "len\\(size\\) == sparse_dim \\+ dense_dim"),
])
def test_parts_that_do_not_fit(arguments, text):
    with pytest.raises(RuntimeError, match=text):
        facula.sparse_coo_tensor(*arguments)


def test_compressed_parts_that_do_not_fit():
    with pytest.raises(RuntimeError, match="crow_indices.shape"):
        facula.sparse_csr_tensor([0, 1], [0], [1.0], (2, 2))
    with pytest.raises(RuntimeError, match="col_indices < ncols"):
        facula.sparse_csr_tensor([0, 1, 1], [5], [1.0], (2, 2))
    with pytest.raises(RuntimeError, match="== nnz"):
        facula.sparse_csr_tensor([0, 1, 3], [0], [1.0], (2, 2))


def test_no_memory_is_reached_through_a_sparse_tensor():
    s = matrix()
    for call in (s.tolist, s.data_ptr, s.item):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(TypeError, match="to_dense"):
        s.numpy()
    for call in (lambda: s.exp(), lambda: s.view(-1), lambda: s.max(), lambda: facula.ones(2, 4).copysign(s), lambda: s.as_strided((2,), (1,))):
        with pytest.raises(NotImplementedError, match="SparseCPU"):
            call()
    with pytest.raises(RuntimeError, match="coalesce"):
        s.indices()
    with pytest.raises(RuntimeError, match=r"Use add\(dense, sparse\)"):
        s + facula.ones(2, 4)


def test_arithmetic_agrees_with_dense():
    x, y = random_dense(5, 4), random_dense(5, 4, seed=1)
    a, b = x.to_sparse(), y.to_sparse()
    for sparse, dense in [(a + b, x + y), (a - b, x - y), (a * b, x * y), (a * 2.5, x * 2.5), (3 * a, 3 * x), (a / 2, x / 2), (-a, -x), (a ** 2, x ** 2),
                          (a * y, x * y), (facula.sin(a), x.sin()), (facula.cat([a, b]), facula.cat([x, y])), (facula.stack([a, b], 1), facula.stack([x, y], 1)),
                          (a[3], x[3]), (a[1:4], x[1:4]), (a.index_select(1, facula.tensor([2, 0, 2])), x.index_select(1, facula.tensor([2, 0, 2]))),
                          (a.unsqueeze(1), x.unsqueeze(1)), (facula.sparse.sum(a, 0), x.sum(0)), (facula.sparse.mm(a, b.t()), x @ y.t())]:
        assert facula.allclose(sparse.to_dense(), dense)
    assert facula.equal(y + a, y + x) and facula.equal(y.add(a, alpha=2), y + 2 * x)
    assert facula.isclose(a.sum(), x.sum()) and facula.isclose(a.norm(), x.norm())
    z = y.clone()
    z += a
    assert facula.equal(z, x + y)


@pytest.mark.parametrize("layout", [facula.sparse_coo, facula.sparse_csr, facula.sparse_csc])
def test_products(layout):
    x, y = random_dense(5, 4), random_dense(4, 3, seed=1)
    a = x.to_sparse(layout=layout)
    for result in (a @ y, facula.mm(a, y), facula.sparse.mm(a, y), a.matmul(y), facula.sparse.addmm(facula.zeros(5, 3, dtype=x.dtype), a, y)):
        assert facula.allclose(result, x @ y)
    assert facula.allclose(a @ y[:, 0], x @ y[:, 0])
    assert facula.allclose(y.t() @ a.t(), y.t() @ x.t())
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        a @ facula.ones(3, 3)


@pytest.mark.parametrize("function", [
    lambda s, d: s @ d, lambda s, d: facula.sparse.mm(s, d).sin(), lambda s, d: (s * 2).to_dense() * 3, lambda s, d: (s + s).to_dense(),
    lambda s, d: facula.sparse.softmax(s, 1).to_dense(), lambda s, d: facula.sparse.log_softmax(s, 0).coalesce().values(),
    lambda s, d: facula.sparse.sum(s, 1).to_dense(), lambda s, d: s.coalesce().values().exp(), lambda s, d: s.t().to_dense(),
    lambda s, d: facula.sparse.mm(s.to_sparse_csr(), d, "mean"), lambda s, d: facula.sparse.mm(s.to_sparse_csr(), d, "amax")])
def test_gradients_of_values_and_dense_factor(function):
    values = facula.tensor([0.3, -1.2, 2.0], dtype=facula.float64, requires_grad=True)
    dense = facula.randn(4, 3, dtype=facula.float64, generator=facula.Generator().manual_seed(2)).requires_grad_()

    def run(v, d):
        return function(facula.sparse_coo_tensor(INDICES, v, (2, 4)), d)

    assert facula.autograd.gradcheck(run, (values, dense))


def test_leaf_that_is_sparse_gets_a_sparse_gradient():
    s = matrix().requires_grad_()
    facula.sparse.mm(s, facula.ones(4, 2)).sum().backward()
    assert s.grad.is_sparse and s.grad._indices().tolist() == INDICES and s.grad._values().tolist() == [2, 2, 2]


def embedding(**options):
    table = nn.Embedding(5, 2, sparse=True, **options)
    nn.init.ones_(table.weight)
    return table


def test_embedding_gradient_names_its_rows():
    table = embedding(padding_idx=2)
    table(facula.tensor([[1, 3], [2, 1]])).sum().backward()
    assert table.weight.grad._indices().tolist() == [[1, 3, 1]]
    table(facula.tensor([1, 3, 1])).sum().backward()
    assert table.weight.grad._nnz() == 3  # the same rows meet
    assert table.weight.grad.to_dense()[:, 0].tolist() == [0, 4, 0, 2, 0]
    table.weight.sum().backward()
    assert not table.weight.grad.is_sparse and table.weight.grad[:, 0].tolist() == [1, 5, 1, 3, 1]
    table(facula.tensor([0])).sum().backward()  # a sparse one added to a dense one
    assert table.weight.grad[:, 0].tolist() == [2, 5, 1, 3, 1]


def test_gradients_of_two_leaves_do_not_share():
    a, b = (facula.ones(3, 2, requires_grad=True) for _ in range(2))
    facula.nn.functional.embedding(facula.tensor([0, 2]), a + b, sparse=True).sum().backward()
    a.grad.mul_(2)
    assert a.grad.to_dense()[0, 0] == 2 and b.grad.to_dense()[0, 0] == 1


def test_clipping():
    table = embedding()
    table(facula.tensor([1, 1, 4])).sum().backward()
    total = nn.utils.clip_grad_norm_(table.parameters(), 1.0)
    assert facula.isclose(total, facula.tensor(10.0).sqrt())
    assert facula.isclose(table.weight.grad.norm(), facula.tensor(1.0), atol=1e-4)


@pytest.mark.parametrize("make", [lambda p: facula.optim.SGD(p, lr=0.1), lambda p: facula.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
                                  lambda p: facula.optim.Adagrad(p, lr=0.1), lambda p: facula.optim.SparseAdam(p, lr=0.1)])
def test_optimizers_move_only_the_rows_in_use(make):
    table = embedding()
    optimizer = make(table.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        table(facula.tensor([1, 3, 3])).pow(2).sum().backward()
        optimizer.step()
    moved = (table.weight != 1).any(1).tolist()
    assert moved == [False, True, False, True, False]


def test_adam_refuses():
    table = embedding()
    table(facula.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="please consider SparseAdam instead"):
        facula.optim.Adam(table.parameters()).step()


def test_copies_and_files():
    for s in (matrix(), matrix().to_sparse_csr()):
        file = io.BytesIO()
        facula.save(s, file)
        file.seek(0)
        for other in (copy.deepcopy(s), s.clone(), facula.load(file)):
            assert other.layout == s.layout and facula.equal(other.to_dense(), s.to_dense())


def test_in_place_changes_show_in_detached_tensors():
    s = matrix()
    s.detach().mul_(2)
    assert s._values().tolist() == [6, 8, 10]
    s.zero_()
    assert s._nnz() == 0
    s.add_(matrix(), alpha=2)
    assert s._values().tolist() == [6, 8, 10]
