// Pieces of the Tensor class that stand in files of their own.
#pragma once
#include "bind/python.h"

namespace facula {
enum class Operator : int {
  add, sub, mul, div, floor_divide, remainder, pow, matmul, bitwise_and, bitwise_or, bitwise_xor, lshift, rshift,
  iadd, isub, imul, idiv, ifloor_divide, iremainder, ipow, iand, ior, ixor, ilshift, irshift,
  neg, positive, abs, bitwise_not, lt, le, eq, ne, gt, ge, rsub, rdiv, rpow, count
};
PyObject* getitem(PyObject* self, PyObject* index);              // getitem.cpp
int setitem(PyObject* self, PyObject* index, PyObject* value);
extern PyMethodDef tensor_methods[];                             // tensor_methods.cpp
PyObject* make_subclass(PyTypeObject* type, const Tensor& from, bool requires_grad, bool overrides);
}  // namespace facula
