// Shapes, bytes and nibbles: what is aligned, what it costs, and where each code lies.

#include <vector>

#include <fmt/format.h>

#include "falsifiers/nf4/checks.hpp"
#include "falsifiers/nf4/support.hpp"
#include "falsifiers/subjects/nf4_subjects.hpp"
#include "harness/worker/guarded_buffer.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::CaseFailed;
using worker::CasePassed;
using worker::CaseResult;
using worker::Context;
using worker::GuardedOutput;
using worker::TensorCase;

/// A row-major matrix in which every block along a row has a largest magnitude of its own, so that
/// blocks along any other axis, or across rows, show in the scales.
std::vector<float> tell_tale_matrix(std::size_t rows, std::size_t cols) {
  std::vector<float> w(rows * cols);
  for (std::size_t i = 0; i < w.size(); ++i) {
    const std::size_t row = i / cols, block = i % cols / kNf4Block;
    w[i] = static_cast<float>(1 + row * 7 + block) * (i % 2 == 0 ? 1.0f : -0.5f);
  }
  return w;
}

/// One shape: refused exactly if the columns are not whole blocks; else the right size, and the
/// right scale per block.
bool shape_holds(Context& context, worker::Nf4Subject& subject, std::size_t rows,
                 std::size_t cols) {
  auto& compare = context.compare();
  const std::vector<float> w = tell_tale_matrix(rows, cols);
  GuardedOutput<std::uint8_t> codes("codes", w.size());
  GuardedOutput<float> absmax("absmax", w.size() / kNf4Block);
  const auto result =
      subject.quantize(w, rows, cols, Nf4Decision::thresholds, codes.span(), absmax.span());
  const Nf4Status want = cols % kNf4Block == 0 ? Nf4Status::ok : Nf4Status::misaligned;
  if (!compare.equal(static_cast<std::uint64_t>(result.status), static_cast<std::uint64_t>(want),
                     "status (0 ok, 2 misaligned)")) {
    return false;
  }
  if (!compare.holds(!worker::first_violation(codes, absmax), "wrote only where it may"))
    return false;
  if (want != Nf4Status::ok) return true;
  if (!compare.equal(subject.packed_size(rows, cols), cols / 64 * 36 * rows, "packed bytes"))
    return false;
  return compare.bits(absmax.span(), nf4_reference(w, Nf4Decision::thresholds).absmax);
}

/// Calls `holds(rows, cols)` for the shapes of a grid, or for the replay's alone.
template <class Holds>
Verdict for_every_shape(Context& context, std::uint64_t max_rows,
                        const std::vector<std::uint64_t>& columns, Holds holds) {
  const Value* only_rows = context.replay() ? context.replay()->find("rows") : nullptr;
  const Value* only_cols = context.replay() ? context.replay()->find("cols") : nullptr;
  for (std::uint64_t rows = 1; rows <= max_rows; ++rows) {
    if (only_rows && worker::unsigned_from(*only_rows) != rows) continue;
    for (std::uint64_t cols : columns) {
      if (only_cols && worker::unsigned_from(*only_cols) != cols) continue;
      context.add_cases(1);
      if (holds(rows, cols)) continue;
      Value counterexample;
      counterexample.set("rows", rows);
      counterexample.set("cols", cols);
      counterexample.set("element", context.compare().mismatch()->to_value());
      return worker::refuted(
          fmt::format("[{}, {}]: {}", rows, cols, context.compare().mismatch()->sentence()),
          std::move(counterexample));
    }
  }
  return worker::survived();
}

std::optional<CaseFailed> packing_holds(Context& context, worker::Nf4Subject& subject,
                                        const TensorCase& c, const Nf4Reference& q,
                                        Nf4Layout layout) {
  auto& compare = context.compare();
  const std::string name(to_string(layout));
  const std::vector<std::uint8_t> want = nf4_reference_packed(q, layout);
  GuardedOutput<std::uint8_t> packed("packed", want.size()), codes("codes", q.codes.size());
  GuardedOutput<float> absmax("absmax", q.absmax.size());
  const auto p = subject.pack(q.codes, q.absmax, c.rows, c.cols, layout, packed.span());
  const auto u = subject.unpack(want, c.rows, c.cols, layout, codes.span(), absmax.span());
  if (const auto v = worker::first_violation(packed, codes, absmax)) return nf4_failed(v->message);
  if (p.status != Nf4Status::ok || u.status != Nf4Status::ok)
    return nf4_failed(name + ": refuses a sound shape");
  CaseFailed failure;
  if (!compare.bytes(packed.span(), want)) {
    failure = nf4_failed(compare, name + ", packed byte");
  } else if (!compare.bytes(codes.span(), q.codes)) {
    failure = nf4_failed(compare, name + ", unpacked code");
  } else if (!compare.bits(absmax.span(), q.absmax)) {
    failure = nf4_failed(compare, name + ", unpacked scale");
  } else {
    return std::nullopt;
  }
  failure.offender.reset();  // bytes and blocks, not elements
  return failure;
}

}  // namespace

Verdict nf4_alignment(Context& context) {
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto subject = nf4_subject_of(context);
  std::vector<std::uint64_t> columns(context.count("max_cols"));
  for (std::size_t i = 0; i < columns.size(); ++i) columns[i] = i + 1;
  return for_every_shape(context, context.count("max_rows"), columns,
                         [&](std::size_t rows, std::size_t cols) {
                           return shape_holds(context, *subject, rows, cols);
                         });
}

Verdict nf4_compression(Context& context) {
  context.domain(Domain::exhaustive);
  const auto subject = nf4_subject_of(context);
  const double least = context.real("min_ratio");
  std::vector<std::uint64_t> columns;
  for (std::uint64_t blocks = 1; blocks <= context.count("max_blocks"); ++blocks)
    columns.push_back(blocks * kNf4Block);
  return for_every_shape(
      context, context.count("max_rows"), columns, [&](std::size_t rows, std::size_t cols) {
        const std::size_t size = subject->packed_size(rows, cols);
        const Nf4Reference q = nf4_reference(tell_tale_matrix(rows, cols), Nf4Decision::thresholds);
        std::vector<std::uint8_t> packed(size);
        // The size counts only if it is one that packing really fills.
        const auto status =
            subject->pack(q.codes, q.absmax, rows, cols, Nf4Layout::first_low, packed).status;
        auto& compare = context.compare();
        return compare.at_least(
                   static_cast<double>(rows * cols * sizeof(float)) / static_cast<double>(size),
                   least, "f32 bytes over packed bytes") &&
               compare.equal(static_cast<std::uint64_t>(status), 0,
                             "status of packing into that size");
      });
}

Verdict nf4_packing(Context& context) {
  context.agreement(Agreement::bytewise);
  const auto subject = nf4_subject_of(context);
  const auto layouts = layouts_of(context);
  return worker::check_property(context, context.count("cases"), nf4_space_of(context),
                                [&](const TensorCase& c, std::span<const float> w) -> CaseResult {
                                  const Nf4Reference q = nf4_reference(w, Nf4Decision::thresholds);
                                  for (Nf4Layout layout : layouts) {
                                    if (auto f = packing_holds(context, *subject, c, q, layout))
                                      return *f;
                                  }
                                  return CasePassed{};
                                });
}

}  // namespace refute::falsifiers
