import shutil

import pytest

import facula
from facula.utils import cpp_extension

pytestmark = pytest.mark.skipif(not any(shutil.which(c) for c in ("c++", "g++", "clang++")), reason="no C++ compiler")
SOURCE = """
torch::Tensor scaled(torch::Tensor x, double by) { return x.sigmoid() * by + 1; }

torch::Tensor cumulated(const torch::Tensor& x) {
  TORCH_CHECK(x.dim() == 1, "expected one dimension, got ", x.dim());
  auto in = x.contiguous();
  auto out = torch::empty_like(in);
  AT_DISPATCH_FLOATING_TYPES(in.scalar_type(), "cumulated", [&] {
    const scalar_t* a = in.data_ptr<scalar_t>();
    scalar_t* b = out.data_ptr<scalar_t>();
    scalar_t sum = 0;
    for (int64_t i = 0; i < in.size(0); ++i) b[i] = sum += a[i];
  });
  return out;
}

std::tuple<torch::Tensor, int64_t> summary(std::vector<torch::Tensor> parts, std::optional<torch::Tensor> more, bool flag, std::string name) {
  auto all = torch::stack(parts);
  return {more ? all + *more : all, flag ? int64_t(name.size()) : -1};
}
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    return cpp_extension.load_inline("facula_test_extension", SOURCE, functions=["scaled", "cumulated", "summary"],
                                     build_directory=str(tmp_path_factory.mktemp("build")))


def test_operations_and_gradients(module):
    x = facula.tensor([0.0, 1.0], requires_grad=True)
    y = module.scaled(x, 2.0)
    assert facula.allclose(y, x.sigmoid() * 2 + 1)
    y.sum().backward()
    assert x.grad[0].item() == 0.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_are_read_and_written_in_place(module, dtype):
    x = facula.arange(10, dtype=getattr(facula, dtype))[::2]
    assert module.cumulated(x).tolist() == x.cumsum(0).tolist()


def test_values_of_every_kind(module):
    x = facula.ones(2)
    result, number = module.summary([x, x], x, True, "four")
    assert result.tolist() == [[2, 2], [2, 2]] and number == 4
    assert module.summary([x], None, False, "")[0].shape == (1, 2)


def test_faults_become_exceptions(module):
    with pytest.raises(RuntimeError, match="expected one dimension, got 2"):
        module.cumulated(facula.ones(2, 2))
    with pytest.raises(RuntimeError, match="\"cumulated\" not implemented for 'int64'"):
        module.cumulated(facula.ones(2, dtype=facula.int64))
    with pytest.raises(TypeError, match="expected a Tensor, got int"):
        module.cumulated(3)
    with pytest.raises(TypeError, match=r"cumulated\(\) takes 1 arguments, got 2"):
        module.cumulated(facula.ones(1), 2)


def test_compilers_faults_are_quoted(tmp_path):
    with pytest.raises(RuntimeError, match="(?s)Error building extension 'facula_faulty'.*nonsense"):
        cpp_extension.load_inline("facula_faulty", "nonsense", functions=[], build_directory=str(tmp_path))


def test_cuda_is_refused():
    with pytest.raises(NotImplementedError, match="CUDA"):
        cpp_extension.load_inline("x", "", cuda_sources="__global__ void f() {}")
