"""Einstein summation."""

from __future__ import annotations

import facula

from ._table import composite

_ELLIPSIS = "..."


def _letters(term, k):
    """The labels of one operand: letters and at most one ellipsis."""
    labels, i = [], 0
    term = term.replace(" ", "")
    while i < len(term):
        if term[i] == ".":
            if _ELLIPSIS in labels:
                raise RuntimeError(f"einsum(): found '.' for operand {k} for which an ellipsis was already found")
            if term[i:i + 3] != _ELLIPSIS:
                raise RuntimeError(f"einsum(): found '.' for operand {k} that is not part of any ellipsis")
            labels.append(_ELLIPSIS)
            i += 3
        elif term[i].isascii() and term[i].isalpha():
            labels.append(term[i])
            i += 1
        else:
            raise RuntimeError(f"einsum(): invalid subscript given at index {i} in the equation string, subscripts "
                               "must be in [a-zA-Z]")
    return labels


def _read(equation, operands):
    """(labels of each operand, labels of the result or None) of an equation text."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) < len(operands):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    if len(terms) > len(operands):
        raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    return [_letters(t, k) for k, t in enumerate(terms)], _letters(right, "output") if arrow else None


def _from_sublists(args):
    """The same for the form einsum(op1, [0, 1], op2, [1, 2], [0, 2])."""
    def labels(sublist):
        out = []
        for x in sublist:
            if x is Ellipsis:
                out.append(_ELLIPSIS)
            elif 0 <= x < 52:
                out.append(chr(ord("A") + x) if x < 26 else chr(ord("a") + x - 26))
            else:
                raise ValueError(f"einsum(): subscript in subscript list is not within the valid range [0, 52)")
        return out

    result = labels(args[-1]) if len(args) % 2 else None
    pairs = args[:-1] if len(args) % 2 else args
    return list(pairs[::2]), [labels(s) for s in pairs[1::2]], result


def _implicit_result(terms):
    """Without an arrow: the ellipsis, then labels that occur once, sorted."""
    count = {}
    for term in terms:
        for label in term:
            if label != _ELLIPSIS:
                count[label] = count.get(label, 0) + 1
    dots = [_ELLIPSIS] if any(_ELLIPSIS in t for t in terms) else []
    return dots + sorted(label for label, n in count.items() if n == 1)


def _expand_dots(term, dots):
    """Replaces an ellipsis by the last `dots` of the labels 0, 1, ..."""
    out = []
    for label in term:
        out += dots if label == _ELLIPSIS else [label]
    return out


def _diagonals(x, labels, k):
    """Repeated labels of one operand become one dimension."""
    seen = []
    for label in labels:
        if label not in seen:
            seen.append(label)
            continue
        i = len(seen)
        j = seen.index(label)
        if x.shape[i] != x.shape[j]:
            raise RuntimeError(f"einsum(): subscript {label} is repeated for operand {k} but the sizes don't match, "
                               f"{x.shape[i]} != {x.shape[j]}")
        x = x.diagonal(0, j, i).movedim(-1, j)
    return x, seen


def _contract(a, left, b, right, keep):
    """One product over two operands; labels not in `keep` are summed."""
    for labels, other in ((left, right), (right, left)):
        alone = [i for i, label in enumerate(labels) if label not in other and label not in keep]
        if alone:
            if labels is left:
                a, left = a.sum(alone), [label for i, label in enumerate(labels) if i not in alone]
            else:
                b, right = b.sum(alone), [label for i, label in enumerate(labels) if i not in alone]
    # Of a shared label of sizes 1 and n only the side with n counts.
    for label in [label for label in left if label in right]:
        m, n = a.shape[left.index(label)], b.shape[right.index(label)]
        if m == 1 and n != 1:
            a, left = a.squeeze(left.index(label)), [x for x in left if x != label]
            if label not in keep:
                b, right = b.sum(right.index(label)), [x for x in right if x != label]
        elif n == 1 and m != 1:
            b, right = b.squeeze(right.index(label)), [x for x in right if x != label]
            if label not in keep:
                a, left = a.sum(left.index(label)), [x for x in left if x != label]
    both = [x for x in left if x in right and x in keep]
    inner = [x for x in left if x in right and x not in keep]
    rows, cols = [x for x in left if x not in right], [x for x in right if x not in left]
    if not inner and not (rows and cols):  # a plain product is cheaper
        order = both + rows + cols
        return _spread(a, left, order) * _spread(b, right, order), order
    size = {**dict(zip(right, b.shape, strict=True)), **dict(zip(left, a.shape, strict=True))}

    def grouped(x, labels, *groups):
        x = x.permute([labels.index(label) for group in groups for label in group])
        return x.reshape([_product(size[label] for label in group) for group in groups])

    result = facula.bmm(grouped(a, left, both, rows, inner), grouped(b, right, both, inner, cols))
    order = both + rows + cols
    return result.reshape([size[label] for label in order]), order


def _product(values):
    total = 1
    for v in values:
        total *= v
    return total


def _spread(x, labels, order):
    """x with its dimensions in `order`, of size 1 where it has none."""
    x = x.permute([labels.index(label) for label in order if label in labels])
    return x.reshape([x.shape[[y for y in order if y in labels].index(label)] if label in labels else 1 for label in order])


@composite("einsum")
def einsum(*args):
    """Sums products of elements, as subscripts say: einsum("ij,jk->ik", a, b) is a @ b."""
    if len(args) < 2:
        raise ValueError("einsum(): must specify the equation string and at least one operand, or at least one "
                         "operand and its subscripts list")
    if isinstance(args[0], str):
        operands = args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = operands[0]
        operands = list(operands)
        terms, result = _read(args[0], operands)
    else:
        operands, terms, result = _from_sublists(args)
    longest = 0
    for k, (x, term) in enumerate(zip(operands, terms, strict=True)):
        named = sum(label != _ELLIPSIS for label in term)
        if _ELLIPSIS in term:
            if named > x.dim():
                raise RuntimeError(f"einsum(): the number of subscripts in the equation ({named}) is more than the number "
                                   f"of dimensions ({x.dim()}) for operand {k}")
            longest = max(longest, x.dim() - named)
        elif named != x.dim():
            relation = "does not match" if named < x.dim() else "is more than"
            raise RuntimeError(f"einsum(): the number of subscripts in the equation ({named}) {relation} the number of "
                               f"dimensions ({x.dim()}) for operand {k}" + (" and no ellipsis was given" if named < x.dim() else ""))
    if result is None:
        result = _implicit_result(terms)
    dots = list(range(longest))
    result = _expand_dots(result, dots)
    sizes, ready = {}, []
    for k, (x, term) in enumerate(zip(operands, terms, strict=True)):
        here = x.dim() - sum(label != _ELLIPSIS for label in term)
        x, labels = _diagonals(x, _expand_dots(term, dots[longest - here:]), k)
        for label, n in zip(labels, x.shape, strict=True):
            if sizes.setdefault(label, n) != n:
                if n != 1 and sizes[label] != 1:
                    raise RuntimeError(f"einsum(): subscript {label} has size {n} for operand {k} which does not "
                                       f"broadcast with previously seen size {sizes[label]}")
                sizes[label] = max(n, sizes[label])
        ready.append((x, labels))
    for label in result:
        if result.count(label) > 1:
            raise RuntimeError(f"einsum(): output subscript {label} appears more than once in the output")
        if label not in sizes:
            raise RuntimeError(f"einsum(): output subscript {label} does not appear in the equation for any input operand")
    x, labels = ready[0]
    for i in range(1, len(ready)):
        y, right = ready[i]
        keep = set(result).union(*(later for _, later in ready[i + 1:]))
        x, labels = _contract(x, labels, y, right, keep)
    gone = [i for i, label in enumerate(labels) if label not in result]
    if gone:
        x, labels = x.sum(gone), [label for label in labels if label in result]
    return x.permute([labels.index(label) for label in result])
