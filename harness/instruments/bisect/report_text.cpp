#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "harness/instruments/bisect/report.hpp"
#include "harness/tensor/text.hpp"

namespace refute::bisect {
namespace {

constexpr std::size_t kWholeTable = 24;

std::string number(double x) {
  return std::isinf(x) ? "inf" : fmt::format("{:.2e}", x);
}
std::string number(const std::optional<Distance>& d) {
  return d ? number(d->relative) : "-";
}

std::string place(StageAt at) {
  return at.layer == tensor::kWholeModel
             ? std::string(tensor::to_string(at.stage))
             : fmt::format("{:>3} {}", at.layer, tensor::to_string(at.stage));
}

std::string judgement(const StageRow& row, const Verdict& verdict) {
  const OwnError* own = row.own();
  if (own == nullptr) return row.unjudged;
  std::string text = own->exceeds() ? "ABOVE ITS FLOOR" : "";
  if (row.good && row.good->exceeds()) text += text.empty() ? "good end ABOVE" : ", good end too";
  if (row.weights && row.weights->exceeds()) text += text.empty() ? "WEIGHTS" : ", weights";
  if (unexplained(row)) text += text.empty() ? "MORE THAN NOISE" : ", more than noise";
  const bool named = verdict.at == row.at;
  return named ? (text.empty() ? "<- named" : text + " <- first") : text;
}

std::string cells(const std::string& name, const OwnError* own, const StageRow& row,
                  bool other_weights) {
  std::string text = fmt::format(
      "{:<23} {:>9} {:>9} {:>10}  {:>9} {:>9} {:>9}", name,
      own != nullptr ? number(own->relative) : "-", own != nullptr ? number(own->floor) : "-",
      own == nullptr           ? "-"
      : std::isinf(own->ratio) ? "inf"
                               : fmt::format("{:.3g}", own->ratio),
      number(row.total), row.predicted_total > 0 ? number(row.predicted_total) : "-",
      number(row.implementation));
  return other_weights ? text + fmt::format(" {:>9}", number(row.quantisation)) : text;
}

std::string full_line(const Report& r, const StageRow& row) {
  const std::string words = judgement(row, r.verdict);
  return cells(place(row.at), row.own(), row, r.other_weights) +
         (words.empty() ? "\n" : "  " + words + "\n");
}

/// A layer in one line: how far its stages are apart at its end, and which is nearest to its floor.
std::string layer_line(const Report& r, std::span<const StageRow> rows) {
  const StageRow* nearest = nullptr;
  std::size_t judged = 0, above = 0;
  for (const StageRow& row : rows) {
    if (row.own() == nullptr) continue;
    ++judged;
    above += row.own()->exceeds() ? 1 : 0;
    if (nearest == nullptr || row.own()->ratio > nearest->own()->ratio) nearest = &row;
  }
  const std::string name = fmt::format("{:>3} all {} stages", rows[0].at.layer, rows.size());
  std::string text =
      cells(name, nearest == nullptr ? nullptr : nearest->own(), rows.back(), r.other_weights);
  if (nearest != nullptr) text += fmt::format("  {}", tensor::to_string(nearest->at.stage));
  if (above != 0) text += fmt::format(", {} ABOVE", above);
  if (judged != rows.size()) text += fmt::format(", {} not judged", rows.size() - judged);
  return text + "\n";
}

/// Every stage of the layer that the verdict names, the other layers in one line each.
std::string table(const Report& r, bool all) {
  std::string text = fmt::format("\n{:<23} {:>9} {:>9} {:>10}  {:>9} {:>9} {:>9}{}\n", "stage",
                                 "own error", "floor", "of floor", "apart", "predicted", "rounding",
                                 r.other_weights ? "   weights" : "");
  all = all || r.rows.size() <= kWholeTable;
  for (std::size_t i = 0; i < r.rows.size();) {
    const StageAt at = r.rows[i].at;
    std::size_t end = i + 1;
    while (end < r.rows.size() && r.rows[end].at.layer == at.layer) ++end;
    const bool named = r.verdict.at && r.verdict.at->layer == at.layer;
    if (all || named || at.layer == tensor::kWholeModel) {
      for (; i < end; ++i) text += full_line(r, r.rows[i]);
    } else {
      text += layer_line(r, std::span(r.rows).subspan(i, end - i));
      i = end;
    }
  }
  return all ? text : text + "  --all shows every stage of every layer\n";
}

std::string decision(const Decision& d) {
  if (d.top.empty()) return "no logits";
  if (!d.decided()) return fmt::format("nothing: {} logits are not finite", d.non_finite);
  return fmt::format("token {} by {:.3g}", d.token(), d.margin());
}

std::string end_line(const char* which, const EndSummary& end, const Decision& d) {
  return fmt::format("{:<9} {} of {}: {}; {}, {}, weights {} ({:.12})\n", which,
                     tensor::printable(end.name), tensor::printable(end.model), decision(d),
                     tensor::printable(end.path.name), tensor::printable(end.path.attention),
                     tensor::printable(end.path.weight_dtype), path_fingerprint(end.path).text);
}

std::string toggle_line(const Toggle& t) {
  return fmt::format("toggle    {} with {} {}: {}{}\n", t.run, t.factor, t.change,
                     decision(t.decision), t.flips ? "  <- flips the decision" : "");
}

}  // namespace

std::string report_text(const Report& r, bool all_stages) {
  std::string text = r.verdict.headline + "\n";
  for (const std::string& why : r.verdict.why) text += "  " + why + "\n";
  const Symptom& s = r.symptom;
  text += fmt::format("\nsymptom   {} after {} tokens{}\n",
                      !s.known      ? "not known: logits were not captured"
                      : s.differs() ? "the two ends decide differently"
                                    : "none here: the two ends decide alike",
                      r.prompt.size() + s.common.size(),
                      s.common.empty() ? "" : fmt::format(", {} of them decoded", s.common.size()));
  text += end_line("good", r.good, s.good) + end_line("bad", r.bad, s.bad);
  if (r.reference) text += fmt::format("reference {}\n", decision(*r.reference));
  if (r.replicas != 0) {
    text += fmt::format(
        "noise     {} of {} runs with noise of the predicted size decide "
        "otherwise than the reference\n",
        r.flips, r.replicas);
  }
  for (const Toggle& t : r.toggles) text += toggle_line(t);
  for (const std::string& note : r.notes) text += "note      " + note + "\n";
  return r.rows.empty() ? text : text + table(r, all_stages);
}

}  // namespace refute::bisect
