// Matching calls with signatures.
#pragma once
#include "bind/op.h"

namespace facula {
struct Generator;
Generator* generator_from(PyObject* o);  // generator.cpp
bool bind_arguments(const Overload& op, PyObject* const* args, size_t n, PyObject* kwnames, Slots& slots, Py& packed,
                    std::string* why);
[[noreturn]] void no_overload(const std::vector<Overload*>& overloads, PyObject* const* args, size_t n, PyObject* kwnames);
}  // namespace facula
