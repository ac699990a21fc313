// Python data in and out of tensors.
#pragma once
#include "bind/python.h"

namespace facula {
PyObject* to_list(const Tensor& x);
Dims dims_of(PyObject* sequence);
extern PyMethodDef data_functions[];
extern PyMethodDef shared_functions[];
}  // namespace facula
