// Errors that become Python exceptions: each type is named for the Python type it turns into.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace facula {

template <class... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

struct Error : std::runtime_error {
  template <class... Parts>
  explicit Error(const Parts&... parts) : std::runtime_error(cat(parts...)) {}
};
struct RuntimeError : Error { using Error::Error; };
struct IndexError : Error { using Error::Error; };
struct TypeError : Error { using Error::Error; };
struct ValueError : Error { using Error::Error; };
struct NotImplementedError : Error { using Error::Error; };
struct OutOfMemoryError : Error { using Error::Error; };
struct LinAlgError : Error { using Error::Error; };  // torch.linalg.LinAlgError

// Thrown when the Python error indicator is already set: the boundary just returns NULL.
struct PythonError : std::exception {};

}  // namespace facula
