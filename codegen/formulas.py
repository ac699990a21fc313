"""Prints the formulas of facula/ops as C++ loops. Run by CMake: formulas.py OUT.cpp ..."""

import pathlib
import sys
import types

ROOT = pathlib.Path(__file__).resolve().parent.parent


def load_table():
    """Imports the table without the native core, which does not exist yet."""
    package = types.ModuleType("facula")
    package.__path__ = [str(ROOT / "facula")]
    ops = types.ModuleType("facula.ops")
    ops.__path__ = [str(ROOT / "facula" / "ops")]
    sys.modules.update({"facula": package, "facula.ops": ops})
    package.ops = ops
    sys.path.insert(0, str(ROOT))
    import importlib

    for file in sorted((ROOT / "facula" / "ops").glob("pointwise*.py")):
        importlib.import_module(f"facula.ops.{file.stem}")
    return sys.modules["facula.ops._table"]


HEADER = """// Printed by codegen/formulas.py from facula/ops; not to be edited.
#include "cpu/pointwise.h"
#include "cpu/gamma.h"

namespace facula {
namespace {
template <class F, class T>
void run(int64_t n, const void* const* in, void* out) { F::template loop<T>(n, in, out); }
template <class R, class T> constexpr bool is_real = is_complex_v<T> && !is_complex_v<R> && !std::is_same_v<R, bool>;
"""
LOOP = """struct F{number} {{  // {name}
  template <class T> static inline auto eval({params}) {{
    {body}
  }}
  template <class T> using Result = decltype(eval<T>({zeros}));
  template <class T> static void loop(int64_t n, const void* const* in, void* out) {{
    {pointers}
    auto* o = static_cast<Result<T>*>(out);
    (void)in;
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) o[i] = eval<T>({elements});
  }}
}};
"""
TYPES = {"f": "float", "d": "double", "i": "int64_t", "c": "c64", "z": "c128"}


def print_formula(number, name, function, arity_names, allowed, formula_module):
    symbols = [formula_module.Symbol(n) for n in arity_names]
    root = function(*symbols)
    if root is None:
        return None
    statements, expression = formula_module.print_expression(root)
    unused = "".join(f"(void){n}; " for n in arity_names)
    body = "\n    ".join([unused.strip(), *statements, f"return {expression};"])
    if not isinstance(root, formula_module.Symbol):
        body = f"{unused}return T({float(root)!r});" if not isinstance(root, bool) else f"{unused}return {str(root).lower()};"
    code = LOOP.format(
        number=number, name=name, params=", ".join(f"T {n}" for n in arity_names), body=body,
        zeros=", ".join("T()" for _ in arity_names),
        pointers="\n    ".join(f"auto* {n}_ = static_cast<const T*>(in[{i}]);" for i, n in enumerate(arity_names)),
        elements=", ".join(f"{n}_[i]" for n in arity_names))
    loops = ", ".join(f"run<F{number}, {t}>" if k in allowed else "nullptr" for k, t in TYPES.items())
    bools = ", ".join(f"std::is_same_v<F{number}::Result<{t}>, bool>" if k in allowed else "false" for k, t in TYPES.items())
    reals = ", ".join(f"is_real<F{number}::Result<{t}>, {t}>" if k in allowed else "false" for k, t in TYPES.items())
    row = f'    {{"pointwise.{name}", {len(arity_names)}, {{{loops}}}, {{{bools}}}, {{{reals}}}}},'
    return code, row


def write_if_changed(path, text):
    """Keeps an unchanged file's text, so that nothing is compiled again but its time is new."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    else:
        path.touch()


def main(outputs):
    table = load_table()
    from facula.ops import _formula

    jobs = []
    for overloads in table.entries.values():
        for e in overloads:
            if not e.is_pointwise:
                continue
            code = e.formula.__code__
            jobs.append((e.formula_name, e.formula, code.co_varnames[: code.co_argcount], e.types))
            for key, rule in e.vjp.items():
                names = rule.__code__.co_varnames[: rule.__code__.co_argcount]
                allowed = "".join(t for t in e.vjp_types if t != "i")
                jobs.append((f"{e.formula_name}.vjp.{key}", rule, names, allowed))
    for k, path in enumerate(outputs):
        codes, rows = [], []
        for number, job in enumerate(jobs[k :: len(outputs)]):
            printed = print_formula(number, *job, _formula)
            if printed:
                codes.append(printed[0])
                rows.append(printed[1])
        text = HEADER + "\n".join(codes) + "\nconst Formula formulas[] = {\n" + "\n".join(rows) + "\n};\n"
        text += f"const RegisterFormulas here(formulas, {len(rows)});\n}}  // namespace\n}}  // namespace facula\n"
        write_if_changed(path, text)


if __name__ == "__main__":
    main(sys.argv[1:])
