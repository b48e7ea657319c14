#include "harness/worker/external_subject.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include "harness/catch.hpp"
#include "harness/worker/errors.hpp"

using namespace refute;
using namespace refute::worker;

namespace {

/// A subject server in a few lines of shell or Python, as a real file and a real child process.
class Server {
 public:
  explicit Server(const std::string& script) {
    static int number = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("refute_server_" + std::to_string(::getpid()) + "_" + std::to_string(number++));
    std::ofstream(path_) << script;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  }
  ~Server() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

const char* const kDoubles = R"(#!/usr/bin/env python3
import json, sys
while line := sys.stdin.buffer.readline():
    head = json.loads(line)
    data = sys.stdin.buffer.read(head["bytes"])
    if b"!" in data:
        sys.stdout.buffer.write(json.dumps({"error": "non_finite", "index": data.index(b"!")}).encode() + b"\n")
    else:
        sys.stdout.buffer.write(json.dumps({"bytes": 2 * len(data)}).encode() + b"\n" + data + data)
    sys.stdout.buffer.flush()
)";

std::string ask(ExternalSubject& subject, const std::string& text, std::size_t size) {
  Value request;
  request.set("op", "test");
  const auto answer = subject.ask(request, std::as_bytes(std::span(text)), size);
  if (const auto* refused = std::get_if<RefusedInput>(&answer))
    return "refused at " + std::to_string(refused->index);
  const auto& bytes = std::get<0>(answer);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string failure(const std::string& script, double limit_s = 5) {
  const Server server(script);
  try {
    ExternalSubject subject(server.path(), limit_s);
    return "answered " + ask(subject, "abc", 6);
  } catch (const SubjectFailure& e) {
    return e.what();
  }
}

bool says(const std::string& text, const char* part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("A server answers question after question, also large ones and refusals") {
  const Server server(kDoubles);
  ExternalSubject subject(server.path(), 20);
  CHECK(ask(subject, "abc", 6) == "abcabc");
  CHECK(ask(subject, "", 0).empty());
  CHECK(ask(subject, "ab!c", 8) == "refused at 2");
  const std::string large(3 << 20, 'x');
  CHECK(ask(subject, large, 6 << 20).size() == 6u << 20);
  CHECK(ask(subject, "d", 2) == "dd");
}

// A script ends with `exec`, so that no child of a killed shell lives on holding this test's output
// open: a test runner waits until the last holder has closed it. `sed d` stays, as a server does,
// until its input ends, and says nothing.
TEST_CASE("What a server does wrong becomes a sentence") {
  CHECK(says(failure("#!/bin/sh\nexit 7\n"), "exited with status 7"));
  CHECK(says(failure("#!/bin/sh\nkill -SEGV $$\n"), "ended by signal 11"));
  CHECK(
      says(failure("#!/bin/sh\nread line\necho hello\nexec sed d\n"), "something else than JSON"));
  CHECK(says(failure("#!/bin/sh\nread line\necho '{\"bytes\": 5}'\nexec sed d\n"),
             "5 bytes where 6 were asked for"));
  CHECK(says(failure("#!/bin/sh\nread line\necho '{\"bytes\": 6}'\nprintf abc\n"),
             "ended in the middle"));
  CHECK(says(failure("#!/bin/sh\nread line\necho '{\"bytes\": 6}'\nprintf abcdefgh\nexec sed d\n"),
             "more than it announced"));
  CHECK(
      says(failure("#!/bin/sh\nread line\necho '{\"size\": 6}'\nexec sed d\n"), "without `bytes`"));
  CHECK(says(failure("#!/bin/sh\nread line\necho '{\"error\": \"no such op\"}'\nexec sed d\n"),
             "no such op"));
  CHECK(says(failure("#!/bin/sh\nread line\necho '{\"error\": \"non_finite\"}'\nexec sed d\n"),
             "at which index"));
  CHECK(says(failure("#!/bin/sh\nread line\nkill -SEGV $$\n"), "it was asked {\"op\":\"test\""));
  CHECK(says(failure("#!/bin/sh\nyes | tr -d '\\n'\n"), "line that does not end"));
}

TEST_CASE("A server may say that it does not serve a question, and is asked on") {
  const Server server(R"(#!/bin/sh
read line
printf '{"error": "not_served", "why": "head_dim\\n128"}\n'
read line
echo '{"error": "not_served"}'
read line
echo '{"bytes": 0}'
exec sed d
)");
  ExternalSubject subject(server.path(), 5);
  const auto why = [&] {
    try {
      return "answered " + ask(subject, "", 0);
    } catch (const SubjectDeclined& declined) {
      CHECK(declined.reason == DeclineReason::not_served);
      return std::string(declined.what());
    }
  };
  CHECK(why() == "head_dim 128");
  CHECK(why() == "no reason given");
  CHECK(why() == "answered ");
}

TEST_CASE("A silent server is not waited for") {
  CHECK(says(failure("#!/bin/sh\nexec sleep 30\n", 0.3), "no answer within 0.3 s"));
}

TEST_CASE("A server that keeps back a byte is told by how many came") {
  CHECK(says(
      failure("#!/bin/sh\nread line\necho '{\"bytes\": 6}'\nprintf abcab\nexec sleep 30\n", 0.3),
      "sent 5 of the 6 bytes that it announced within 0.3 s"));
}

TEST_CASE("A server leaves with status 0 when its stdin ends, and any other end is told") {
  const auto end = [](const std::string& last) {
    const Server server(
        "#!/bin/sh\nread line\nhead -c 3 > /dev/null\necho '{\"bytes\": 0}'\nsed d\n" + last);
    {
      ExternalSubject subject(server.path(), 20);
      CHECK(ask(subject, "abc", 0).empty());
    }
    return take_bad_end().value_or("left well");
  };
  CHECK(end("") == "left well");
  CHECK(end("exit 0\n") == "left well");
  CHECK(says(end("exit 7\n"), "at the end of its stdin it exited with status 7"));
  CHECK(says(end("kill -ABRT $$\n"), "was ended by signal 6"));
  CHECK(says(end("exec sleep 30\n"), "did not leave within 5 s"));
  CHECK_FALSE(take_bad_end());
  // What failed before has its own sentence, and is not waited for.
  failure("#!/bin/sh\nread line\necho hello\nsed d\nexit 7\n");
  CHECK_FALSE(take_bad_end());
}

TEST_CASE("What a silent server was asked is said before the job's time is over") {
  std::fflush(stderr);
  std::FILE* said = std::tmpfile();
  const int kept = ::dup(STDERR_FILENO);
  ::dup2(::fileno(said), STDERR_FILENO);
  failure("#!/bin/sh\nexec sleep 30\n", 0.3);
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  std::rewind(said);
  char text[500] = {};
  CHECK(std::fread(text, 1, sizeof text - 1, said) > 0);
  std::fclose(said);
  CHECK(says(text, "gave no answer so far; it was asked {\"op\":\"test\""));
}

TEST_CASE("A program that is not there or not executable is named") {
  try {
    ExternalSubject subject("/no/such/server", 1);
    FAIL("it started");
  } catch (const SubjectFailure& e) {
    CHECK(says(e.what(), "/no/such/server"));
  }
}
