"""Named tuples that operations with several results return (torch.return_types)."""

_types: dict[tuple, type] = {}


def named_result(name: str, fields: list[str]) -> type:
    """The tuple class of operation `name` with these fields; one per name."""
    key = (name, *fields)
    if key not in _types:
        _types[key] = _make(name, tuple(fields))
    return _types[key]


def _make(name, fields):
    def new(cls, items, *rest):
        return tuple.__new__(cls, (items, *rest) if rest else items)

    def show(self):
        lines = [f"{k}={v!r}" for k, v in zip(fields, self)]
        return f"torch.return_types.{name}(\n" + ",\n".join(lines) + ")"

    namespace = {"__new__": new, "__repr__": show, "__slots__": (), "_fields": fields, "__module__": "torch.return_types",
                 "n_fields": len(fields), "n_sequence_fields": len(fields), "n_unnamed_fields": 0, "__match_args__": fields,
                 "__reduce__": lambda self: (_rebuild, (name, fields, tuple(self)))}
    for i, field in enumerate(fields):
        namespace[field] = property(lambda self, i=i: self[i])
    return type(name, (tuple,), namespace)


def _rebuild(name, fields, items):
    return named_result(name, list(fields))(items)
