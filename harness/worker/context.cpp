#include "harness/worker/context.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "harness/worker/errors.hpp"

namespace refute::worker {
namespace {

std::optional<double> number(const Value& v) {
  if (const auto* i = v.as_int()) return static_cast<double>(*i);
  if (const auto* d = v.as_double(); d && std::isfinite(*d)) return *d;
  return std::nullopt;
}

[[noreturn]] void wrong(std::string_view name, std::string_view wanted) {
  throw JobError(fmt::format("parameter `{}` is not {}; correct it in the contract", name, wanted));
}

/// Applies `read` to every item of a list that must not be empty.
template <class Read>
auto each(std::string_view name, const Value& value, std::string_view wanted, Read read) {
  std::vector<typename decltype(read(value))::value_type> all;
  const Value::List* list = value.as_list();
  if (!list || list->empty()) wrong(name, wanted);
  for (const Value& item : *list) {
    auto one = read(item);
    if (!one) wrong(name, wanted);
    all.push_back(std::move(*one));
  }
  return all;
}

std::optional<std::uint64_t> positive(const Value& v) {
  const auto* i = v.as_int();
  if (!i || *i < 1) return std::nullopt;
  return static_cast<std::uint64_t>(*i);
}

std::optional<std::string> text(const Value& v) {
  const auto* s = v.as_string();
  return s ? std::optional(*s) : std::nullopt;
}

}  // namespace

Context::Context(Job job) : job_(std::move(job)), compare_(job_.arm == Arm::negated) {}

unsigned Context::threads() const {
  const bool served = !job_.external_subject.empty() && job_.arm != Arm::mutant;
  return served ? 1 : std::max(1u, job_.threads);
}

const std::string* Context::fixture(std::string_view name) const {
  const auto it = job_.fixtures.find(std::string(name));
  return it == job_.fixtures.end() ? nullptr : &it->second;
}

const Value& Context::parameter(std::string_view name) {
  const Value* found = job_.parameters.find(name);
  if (!found)
    throw JobError(
        fmt::format("parameter `{}` is missing; claim {} has to state it", name, job_.claim.text));
  parameters_read_.insert(std::string(name));
  return *found;
}

std::uint64_t Context::count(std::string_view name) {
  if (const auto n = positive(parameter(name))) return *n;
  wrong(name, "a whole number of at least 1");
}

double Context::real(std::string_view name) {
  if (const auto x = number(parameter(name))) return *x;
  wrong(name, "a finite number");
}

Band Context::band(std::string_view name) {
  const std::vector<double> ends = reals(name);
  if (ends.size() != 2 || !(ends[0] < ends[1])) wrong(name, "a band [low, high] with low < high");
  return {ends[0], ends[1]};
}

std::string Context::word(std::string_view name) {
  if (auto s = text(parameter(name))) return *s;
  wrong(name, "a word");
}

std::vector<std::string> Context::words(std::string_view name) {
  return each(name, parameter(name), "a list of words", text);
}

std::vector<std::uint64_t> Context::counts(std::string_view name) {
  return each(name, parameter(name), "a list of whole numbers of at least 1", positive);
}

std::vector<double> Context::reals(std::string_view name) {
  return each(name, parameter(name), "a list of finite numbers", number);
}

void Context::input(std::string name, Digest sha256) {
  inputs_.push_back({std::move(name), std::move(sha256)});
  std::ranges::sort(inputs_, {}, &InputDigest::name);
}

Outcome Context::outcome(Verdict verdict) const {
  const std::uint64_t comparisons = compare_.comparisons();
  if (std::holds_alternative<Survived>(verdict) && (cases_ == 0 || comparisons == 0)) {
    verdict = Declined{DeclineReason::zero_cases,
                       fmt::format("{} cases ran and {} elements were compared: nothing could "
                                   "have failed",
                                   cases_, comparisons)};
  }
  Outcome o;
  o.verdict = std::move(verdict);
  o.coverage = {cases_, comparisons, discards_, shrinks_};
  o.domain = domain_;
  o.agreement = agreement_;
  o.result_digest = result_digest_;
  o.inputs = inputs_;
  o.measurements = measurements_;
  o.parameters_read = {parameters_read_.begin(), parameters_read_.end()};
  o.environment = environment_;
  return o;
}

std::optional<std::uint64_t> unsigned_from(const Value& value) {
  if (const auto* i = value.as_int())
    return *i < 0 ? std::nullopt : std::optional<std::uint64_t>(*i);
  const auto* s = value.as_string();
  if (!s || s->empty()) return std::nullopt;
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(s->data(), s->data() + s->size(), n);
  if (error != std::errc{} || end != s->data() + s->size()) return std::nullopt;
  return n;
}

Verdict survived() {
  return Survived{};
}
Verdict refuted(std::string message, Value counterexample) {
  return Refuted{std::move(message), std::move(counterexample)};
}
Verdict declined(DeclineReason reason, std::string message) {
  return Declined{reason, std::move(message)};
}

}  // namespace refute::worker
