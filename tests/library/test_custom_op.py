import pytest

import facula
from facula import Tensor


@pytest.fixture
def cube():
    @facula.library.custom_op("facula_tests::cube", mutates_args=())
    def cube(x: Tensor, times: float = 1.0) -> Tensor:
        return facula.from_numpy(x.numpy() ** 3 * times)

    return cube


def test_called_by_function_and_namespace(cube):
    x = facula.tensor([1.0, 2.0])
    assert cube(x).tolist() == facula.ops.facula_tests.cube(x).tolist() == facula.ops.facula_tests.cube.default(x).tolist() == [1, 8]
    assert cube(x, times=2.0).tolist() == [2, 16]


def test_gradients_are_what_the_formula_says(cube):
    def setup(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    x = facula.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        cube(x).sum().backward()
    cube.register_autograd(lambda ctx, grad: (grad * 3 * ctx.saved_tensors[0] ** 2, None), setup_context=setup)
    cube(x, 1.0).sum().backward()
    assert x.grad.tolist() == [3, 12]


def test_shapes_come_from_the_fake(cube):
    cube.register_fake(lambda x, times=1.0: facula.empty_like(x))
    assert cube(facula.empty(3, device="meta")).shape == (3,)


def test_schemas_follow_annotations():
    def f(x: Tensor, sizes: list[int], y: Tensor | None = None, *, flag: bool = False) -> tuple[Tensor, Tensor]: ...
    assert facula.library.infer_schema(f, mutates_args=("x",)) == (
        "(Tensor(a0!) x, SymInt[] sizes, Tensor? y=None, *, bool flag=False) -> (Tensor, Tensor)")


def test_libraries_declare_and_implement():
    library = facula.library.Library("facula_more", "DEF")
    assert library.define("twice(Tensor x) -> Tensor") == "twice"
    with pytest.raises(NotImplementedError, match="no kernel"):
        facula.ops.facula_more.twice(facula.ones(1))
    library.impl("twice", lambda x: 2 * x, "CPU")
    assert facula.ops.facula_more.twice(facula.ones(2)).tolist() == [2, 2]
    with pytest.raises(AttributeError, match="'facula_more' object has no attribute 'thrice'"):
        facula.ops.facula_more.thrice


def test_pytorchs_own_operations():
    x = facula.tensor([-1.0, 4.0])
    assert facula.ops.aten.add.Tensor(x, x).tolist() == [-2, 8] and facula.ops.aten.relu(x).tolist() == [0, 4]
    assert facula.ops.aten.linalg_vector_norm.default(x, 1).item() == 5
