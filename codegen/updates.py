"""Prints the optimizers' update rules (facula/ops/updates.py) as C++ loops. Run by CMake: updates.py OUT.cpp."""

import importlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from formulas import load_table, write_if_changed  # noqa: E402

HEADER = """// Printed by codegen/updates.py from facula/ops/updates.py; not to be edited.
#include "cpu/math.h"
#include "cpu/update.h"

namespace facula {
namespace {
"""
LOOP = """template <class T>
void {name}(int64_t n, T* const* at, const double* s) {{
  {settings}
  {pointers}
  _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) {{
    {loads}
    {body}
    {stores}
  }}
}}
"""


def print_update(rule, formula):
    state = ["w", "g", *rule.states]
    symbols = [formula.Symbol(n) for n in state]
    settings = [formula.Symbol(f"{n}_") for n in rule.settings]
    statements, results = formula.print_expressions(rule(symbols[0], symbols[1], symbols[2:], settings))
    written = ["w", *rule.states]
    return LOOP.format(
        name=rule.name,
        settings="\n  ".join(f"const T {n}_ = T(s[{i}]);" for i, n in enumerate(rule.settings)),
        pointers="\n  ".join(f"{'const ' if n == 'g' else ''}T* __restrict {n}_at = at[{i}];" for i, n in enumerate(state)),
        loads="\n    ".join(f"const T {n} = {n}_at[i];" for n in state),
        body="\n    ".join([*statements, *(f"const T new_{n} = {r};" for n, r in zip(written, results, strict=True))]),
        stores="\n    ".join(f"{n}_at[i] = new_{n};" for n in written))


def main(output):
    load_table()
    formula, updates = (importlib.import_module(f"facula.ops.{n}") for n in ("_formula", "updates"))
    rules = list(updates.updates.values())
    rows = "\n".join(f'    {{"{r.name}", {len(r.states)}, {len(r.settings)}, {r.name}<float>, {r.name}<double>}},' for r in rules)
    text = HEADER + "\n".join(print_update(r, formula) for r in rules)
    text += f"const Update rules[] = {{\n{rows}\n}};\n}}  // namespace\n\nstd::span<const Update> update_rules() {{ return rules; }}\n}}  // namespace facula\n"
    write_if_changed(output, text)


if __name__ == "__main__":
    main(sys.argv[1])
