#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <sys/types.h>

#include "harness/model/value.hpp"

namespace refute::worker {

/// The server refused its input, as the protocol lets it: {"error": "non_finite", "index": 17}.
struct RefusedInput {
  std::string error;
  std::uint64_t index = 0;
};

/// How long a server may take to leave after the end of its stdin: an interpreter with a device to
/// give back needs seconds.
inline constexpr double kGraceS = 5;

/// How the last server of this process that left wrongly did so, in a sentence; nothing if all left
/// as the protocol says. Asking forgets it.
std::optional<std::string> take_bad_end();

/// Our end of a subject server (`WORKER --serve`, harness/PROTOCOL.md): one process per job, one
/// question at a time over its stdin and stdout. Whatever it does wrong (dying, garbage, an answer
/// of another size, silence) becomes a SubjectFailure with a sentence; nothing it sends is trusted
/// further than the size that was asked for.
class ExternalSubject {
 public:
  /// Starts `path --serve`. Each exchange may take `time_limit_s` at most.
  ExternalSubject(const std::string& path, double time_limit_s);
  /// Closes the server's stdin and waits for it to leave with status 0, `kGraceS` at most, then
  /// kills it. Another end is kept for take_bad_end(), as a destructor cannot throw.
  ~ExternalSubject();
  ExternalSubject(const ExternalSubject&) = delete;
  ExternalSubject& operator=(const ExternalSubject&) = delete;

  /// Sends one request and its bytes, and reads exactly `answer_size` bytes, or a refusal.
  /// `request` is a map without its "bytes", which is added here. {"error": "not_served"} throws
  /// SubjectDeclined with the server's `why`; another refusal than "non_finite" throws as well.
  std::variant<std::vector<std::byte>, RefusedInput> ask(Value request,
                                                         std::span<const std::byte> bytes,
                                                         std::size_t answer_size);

 private:
  std::string read_line(double deadline_s);
  void transfer(std::span<const std::byte> out, double deadline_s);
  void read_exactly(std::span<std::byte> in, double deadline_s);
  std::size_t read_some(double deadline_s);
  void wait_for_answer(double deadline_s);
  std::string silence() const;
  [[noreturn]] void fail(const std::string& what);

  std::string path_;
  double time_limit_s_;
  double warn_at_s_;
  std::string asked_;       ///< the request that is being answered
  std::size_t wanted_ = 0;  ///< bytes that the answer announced; 0 before it
  bool warned_ = false, failed_ = false;
  pid_t pid_ = -1;
  int to_ = -1, from_ = -1;
  std::vector<std::byte> buffered_;  ///< read and not yet used
};

}  // namespace refute::worker
