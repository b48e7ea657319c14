// Which stage of which layer a bisection names: the one that a fault was planted in, and none of a
// healthy model, however it is stored.

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>
#include <stdlib.h>

#include "falsifiers/trace_save_tensor/checks.hpp"
#include "falsifiers/trace_save_tensor/session.hpp"
#include "fixtures/mutants/bisect_mutants.hpp"
#include "fixtures/mutants/decoder_faults.hpp"
#include "harness/instruments/bisect/bisect.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"
#include "harness/worker/refute_command.hpp"

namespace refute::falsifiers {
namespace {

using bisect::PathRequest;
using bisect::Report;
using forward::AttentionKernel;
using forward::DecoderModel;
using forward::ExecutionPath;
using forward::PathName;
using mutants::DecoderFault;
using worker::Context;

DecoderModel opened(const std::string& path) {
  auto model = DecoderModel::open(path);
  if (!model) throw worker::JobError(model.error().what);
  return *std::move(model);
}

ExecutionPath path_named(const std::string& name) {
  bisect::End end;
  auto parsed = bisect::parse_end(name, end);
  if (!parsed) throw worker::JobError(parsed.error().what);
  return parsed->path;
}

/// What is concluded of a run: the real conclusion, or a mutant's from the same report.
mutants::BisectAnswer concluded(Context& context, const PathRequest& request) {
  const auto report = bisect::bisect_paths(request);
  if (!report) throw worker::JobError(report.error().what);
  mutants::BisectAnswer answer = mutants::bisect_answer(*report);
  if (context.job().arm != Arm::mutant) return answer;
  const auto* mutant = mutants::bisect_mutant(context.job().mutant.text);
  if (!mutant) throw worker::JobError("no bisection is called `" + context.job().mutant.text + "`");
  mutant->spoil(*report, answer);
  return answer;
}

PathRequest request_on(const DecoderModel& model, const ExecutionPath& bad, std::uint64_t seed) {
  PathRequest request;
  request.good.model = request.bad.model = &model;
  request.bad.path = bad;
  // Different neighbours: some faults move values from one token to the next.
  request.prompt = Session::tokens(seed, 6, model.config().vocab);
  for (std::size_t i = 1; i < request.prompt.size(); ++i) {
    if (request.prompt[i] == request.prompt[i - 1])
      request.prompt[i] = (request.prompt[i] + 1) % 61;
  }
  request.max_tokens = 3;
  request.replicas = 0;
  request.toggles = false;
  return request;
}

/// The contract's table: "KIND: STAGE STAGE=EXPECTED …" per row. A stage without `=` is itself what
/// has to be named.
using FaultTable = std::map<std::string, std::map<std::string, std::string>>;

FaultTable table_from(const std::vector<std::string>& rows) {
  FaultTable table;
  for (const std::string& row : rows) {
    const std::size_t colon = row.find(": ");
    if (colon == std::string::npos) throw worker::JobError("`" + row + "` is no `KIND: STAGE …`");
    auto& places = table[row.substr(0, colon)];
    for (std::size_t begin = colon + 2; begin < row.size();) {
      const std::size_t end = std::min(row.find(' ', begin), row.size());
      const std::string word = row.substr(begin, end - begin);
      const std::size_t equals = word.find('=');
      places[word.substr(0, equals)] = equals == std::string::npos ? word : word.substr(equals + 1);
      begin = end + 1;
    }
  }
  return table;
}

/// What the row of a fault says, with the fault's own layer; nothing where there is no row.
std::optional<std::string> expected_of(const FaultTable& table, const DecoderFault& fault) {
  const auto row = table.find(std::string(fault.kind));
  if (row == table.end()) return std::nullopt;
  const auto place = row->second.find(std::string(tensor::to_string(fault.at.stage)));
  if (place == row->second.end()) return std::nullopt;
  const auto stage = tensor::parse_stage(place->second);
  if (!stage) throw worker::JobError(stage.error().what);
  const bool whole = tensor::row_of(*stage).scope == tensor::StageScope::whole_model;
  return bisect::to_string({*stage, whole ? tensor::kWholeModel : fault.at.layer});
}

/// "qwen3 on fast".
std::pair<std::string, std::string> family_and_path(const std::string& run) {
  const std::size_t on = run.find(" on ");
  if (on == std::string::npos) throw worker::JobError("`" + run + "` is no `FAMILY on PATH`");
  return {run.substr(0, on), run.substr(on + 4)};
}

/// A folder with tiny models, for checks that run in process.
class Workshop {
 public:
  Workshop() {
    std::string name = (std::filesystem::temp_directory_path() / "refute-bisect-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      throw worker::JobError("no temporary folder can be made");
    path_ = name;
  }
  ~Workshop() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

fixtures::TinyDecoder shape_for(const std::string& family, const ExecutionPath& path,
                                std::uint64_t seed) {
  auto shape = tiny(family, seed);
  if (path.attention == AttentionKernel::flash2) shape.head_dim = 64;
  return shape;
}

struct Tally {
  std::set<std::string> rows;  ///< "kind@stage" that were planted
  std::uint64_t planted = 0;
};

/// Every fault of one model on one path; false at the first that is not named as its row says.
bool names_every_fault(Context& context, const DecoderModel& model, const ExecutionPath& path,
                       const FaultTable& table, std::uint64_t seed, Tally& tally) {
  PathRequest request = request_on(model, path, seed);
  for (const DecoderFault& fault : mutants::decoder_faults(model.config(), path)) {
    const auto expected = expected_of(table, fault);
    auto& compare = context.compare();
    context.add_cases(1);
    if (!compare.holds(expected.has_value(), fault.name() + " has a row in the contract"))
      return false;
    request.bad.run = mutants::with_fault(fault);
    const auto answer = concluded(context, request);
    ++tally.planted;
    tally.rows.insert(fmt::format("{}@{}", fault.kind, tensor::to_string(fault.at.stage)));
    if (!compare.holds(answer.kind == "wrong-stage" && answer.place == *expected,
                       fmt::format("{} of {} on {}: {} {} is named, its row says {}", fault.name(),
                                   to_string(model.config().family), to_string(request.bad),
                                   answer.kind, answer.place, *expected)))
      return false;
  }
  return true;
}

/// Every row of the table has to have been planted somewhere: a row that nothing tests says
/// nothing.
void demand_all_rows(const FaultTable& table, const std::set<std::string>& planted) {
  for (const auto& [kind, places] : table) {
    for (const auto& [stage, expected] : places) {
      const std::string row = fmt::format("{}@{}", kind, stage);
      if (!planted.contains(row)) throw worker::JobError("no model has a place for " + row);
    }
  }
}

std::uint64_t first_seed(const Context& context) {
  const Value* seed = context.replay() ? context.replay()->find("seed") : nullptr;
  const auto replayed = seed ? worker::unsigned_from(*seed) : std::nullopt;
  return replayed ? *replayed : context.seed();
}

Verdict refuted_by(Context& context, std::uint64_t seed) {
  const auto& mismatch = context.compare().mismatch();
  return worker::refuted(mismatch ? mismatch->sentence() : "no comparison was made",
                         Value::Map{{"seed", std::to_string(seed)}});
}

/// A quantised copy in a folder of its own, by the command that users have.
std::string quantised(const std::string& refute, const Workshop& shop, const std::string& source,
                      const std::string& format) {
  const std::string folder = shop / (source + "-" + format);
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(shop / (source + "/config.json"), folder + "/config.json",
                             std::filesystem::copy_options::overwrite_existing);
  const bool blocks = !format.starts_with("fp8") && format != "nf4";
  const std::string out = folder + (blocks ? "/model.gguf" : "/model.safetensors");
  const auto made = worker::run_command(
      refute, {"quantize", shop / source, "--format", format, "-o", out, "--force"}, {}, 60);
  if (made.status != 0) throw worker::JobError("refute quantize: " + made.err);
  return out;
}

/// The original on its reference against the stored copy, on its reference or on a faster path: no
/// stage is wrong, and no weights are.
bool spares(Context& context, const DecoderModel& original, const DecoderModel& stored,
            const std::string& path, std::uint64_t seed) {
  PathRequest request = request_on(original, path_named(path), seed);
  request.bad.model = &stored;
  if (refuse_path(request.bad.path, stored)) return true;
  const auto answer = concluded(context, request);
  context.add_cases(1);
  return context.compare().holds(
      answer.kind == "noise" && answer.place.empty(),
      fmt::format("{} on {}, which is healthy: {} {} is named", stored.weight_types(), path,
                  answer.kind, answer.place));
}

}  // namespace

Verdict bisect_names_fault(Context& context) {
  const FaultTable table = table_from(context.words("faults"));
  const auto runs = context.words("runs");
  const std::uint64_t seed = first_seed(context);
  context.domain(Domain::live);
  const Workshop shop;
  Tally tally;
  for (const std::string& run : runs) {
    const auto [family, name] = family_and_path(run);
    const ExecutionPath path = path_named(name);
    fixtures::write_tiny(shop / run, shape_for(family, path, seed));
    const DecoderModel model = opened(shop / run);
    if (refuse_path(path, model)) continue;  // without OpenBLAS there is no fast path
    if (!names_every_fault(context, model, path, table, seed, tally))
      return refuted_by(context, seed);
  }
  demand_all_rows(table, tally.rows);
  context.measure("faults planted", std::to_string(tally.planted));
  return worker::survived();
}

Verdict bisect_spares_healthy(Context& context) {
  const auto formats = context.words("formats"), families = context.words("families"),
             paths = context.words("paths");
  const std::uint64_t cases = context.count("cases");
  const std::string refute = worker::refute_program();
  if (refute.empty()) {
    return worker::declined(DeclineReason::not_served,
                            "REFUTE_COMMAND does not say which refute to run");
  }
  context.domain(Domain::live);
  const std::uint64_t first = first_seed(context);
  for (std::uint64_t k = 0; k < (context.replay() ? 1 : cases); ++k) {
    const std::uint64_t seed = context.replay() ? first : worker::derive_seed(first, k);
    for (const std::string& family : families) {
      const Workshop shop;
      auto shape = tiny(family, seed);
      shape.hidden = 256;  // whole super-blocks of Q4_K in every row
      shape.ffn = 256;
      shape.head_dim = 64;
      fixtures::write_tiny(shop / family, shape);
      const DecoderModel original = opened(shop / family);
      for (const std::string& format : formats) {
        const DecoderModel stored = opened(quantised(refute, shop, family, format));
        for (const std::string& path : paths) {
          if (!spares(context, original, stored, path, seed)) return refuted_by(context, seed);
        }
      }
    }
  }
  return worker::survived();
}

}  // namespace refute::falsifiers
