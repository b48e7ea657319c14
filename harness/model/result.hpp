#pragma once

#include <string>
#include <utility>
#include <variant>

namespace refute {

/// What went wrong in the world or in the input, said so that its reader can act on it.
struct Error {
  std::string what;  ///< one sentence: where and what
  std::string hint;  ///< what to do about it; may be empty
};

/// A value or the reason why there is none. Used wherever failure is expected; exceptions are for
/// our own mistakes.
template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const E& error() const { return std::get<1>(state_); }
  E&& take_error() { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, E> state_;
};

}  // namespace refute
