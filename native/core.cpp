// The entry of one level's core: all that differs is its name.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace facula { PyObject* init_module(); }

#define FACULA_JOIN(a, b) a##b
#define FACULA_INIT(level) FACULA_JOIN(PyInit_core_, level)
PyMODINIT_FUNC FACULA_INIT(FACULA_LEVEL)() { return facula::init_module(); }
