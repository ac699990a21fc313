"""Sparse tensors against PyTorch: text, results and gradients of the same expressions."""

import pytest

import facula

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

INDICES, VALUES = [[0, 1, 1, 0], [2, 0, 2, 2]], [3.0, 4.0, 5.0, -1.0]
EXPRESSIONS = [
    "s", "s.coalesce()", "s + s", "s - s.coalesce()", "s * 2", "s / 2", "-s", "s ** 2", "s.t()", "s @ d", "d.t() @ s.t()", "s @ s.t()", "T.sparse.mm(s, s.t())",
    "T.sparse.mm(s, d)", "T.sparse.addmm(T.ones(2, 2), s, d, beta=2, alpha=3)", "T.addmm(T.ones(2, 2), s, d)", "s.sum()", "T.sparse.sum(s, 0)",
    "T.sparse.sum(s, 1)", "T.sparse.softmax(s, 1)", "T.sparse.log_softmax(s, 0)", "T.ones(2, 3) + s", "s * T.arange(6.).view(2, 3)", "s.to_dense()",
    "s.to_sparse_csr()", "s.to_sparse_csc()", "s.to_dense().to_sparse_bsr((1, 3))", "s.to_dense().to_sparse(1)", "s[1]", "s[0, 2]", "T.cat([s, s], 1)",
    "T.stack([s, s])", "s.index_select(1, T.tensor([2, 0]))", "s.unsqueeze(1)", "s.to(T.float64)", "T.zeros_like(s)", "s.norm()", "T.sin(s)",
    "T.ones(2, 3).sparse_mask(s.coalesce())", "s.is_coalesced(), s._nnz(), s.sparse_dim(), s.dense_dim(), s.stride()", "T.empty(2, 3, layout=T.sparse_coo)",
    "s.transpose(0, 1).coalesce().indices()", "s.to_sparse_csr() @ d", "T.sparse.mm(s.to_sparse_csr(), d, 'amax')", "T.sparse.mm(s.to_sparse_csr(), d, 'mean')"]


def value(framework, expression):
    scope = {"T": framework, "s": framework.sparse_coo_tensor(INDICES, VALUES, (2, 3)), "d": framework.arange(6.0).view(3, 2) - 2}
    return eval(expression, scope)  # expressions of our own list


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_same_text(expression):
    assert repr(value(facula, expression)).replace("facula.", "torch.") == repr(value(torch, expression))


@pytest.mark.parametrize("expression", ["T.sparse.mm(s, d)", "s @ d", "s.to_dense() * 2", "(s * 3).to_dense()", "T.sparse.softmax(s, 1).to_dense()",
                                        "T.sparse.sum(s, 1).to_dense()", "s.coalesce().values()"])
def test_same_gradients(expression):
    found = []
    for framework in (facula, torch):
        v, d = framework.tensor(VALUES, requires_grad=True), (framework.arange(6.0).view(3, 2) - 2).requires_grad_()
        y = eval(expression, {"T": framework, "s": framework.sparse_coo_tensor(INDICES, v, (2, 3)), "d": d})
        y.pow(2).sum().backward()
        found.append([x.grad.tolist() for x in (v, d) if x.grad is not None])
    for ours, theirs in zip(*found, strict=True):
        assert facula.allclose(facula.tensor(ours), facula.tensor(theirs), rtol=1e-5)


def test_files_go_both_ways(tmp_path):
    for name in ("coo", "csr"):
        ours, theirs = (f.sparse_coo_tensor(INDICES, VALUES, (2, 3)) for f in (facula, torch))
        if name == "csr":
            ours, theirs = ours.to_sparse_csr(), theirs.to_sparse_csr()
        facula.save(ours, tmp_path / "a.pt")
        torch.save(theirs, tmp_path / "b.pt")
        assert torch.load(tmp_path / "a.pt").to_dense().tolist() == theirs.to_dense().tolist()
        assert facula.load(tmp_path / "b.pt").to_dense().tolist() == theirs.to_dense().tolist()
