#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/instruments/bisect/report.hpp"
#include "harness/tensor/text.hpp"

namespace refute::bisect {
namespace {

constexpr double kWidth = 1000, kLeft = 64, kRight = 980, kHeight = 640;
constexpr std::size_t kLine = 105;  // characters of a headline that fit
constexpr double kOwnTop = 84, kOwnBottom = 320, kApartTop = 390, kApartBottom = 590;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string words_at(double x, double y, const char* anchor, std::string_view words,
                     const char* kind = "t") {
  return fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                     kind, x, y, anchor, escaped(words));
}

/// Powers of ten from bottom to top; what is smaller or larger is drawn at the edge.
struct LogAxis {
  int low, high;
  double bottom, top;
  double place(double value) const {
    const double exponent =
        std::log10(std::clamp(value, std::pow(10.0, low), std::pow(10.0, high)));
    return bottom - (exponent - low) / (high - low) * (bottom - top);
  }
};

LogAxis axis_of(const std::vector<double>& values, double least, double most, double bottom,
                double top) {
  for (const double v : values) {
    if (!std::isfinite(v) || v <= 0) continue;
    least = std::min(least, v);
    most = std::max(most, v);
  }
  const int low = std::max(-12, static_cast<int>(std::floor(std::log10(least))));
  const int high = std::min(12, static_cast<int>(std::ceil(std::log10(most) + 1e-9)));
  return {low, std::max(high, low + 1), bottom, top};
}

std::string grid(const LogAxis& axis) {
  std::string svg;
  const int step = std::max(1, (axis.high - axis.low) / 6);
  for (int e = axis.low; e <= axis.high; e += step) {
    const double y = axis.place(std::pow(10.0, e));
    svg += fmt::format("<line class=\"g\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                       kLeft, kRight, y, y);
    svg += words_at(kLeft - 8, y + 4, "end", e == 0 ? "1" : fmt::format("1e{}", e));
  }
  return svg;
}

struct Across {
  std::size_t count;
  double place(std::size_t i) const {
    return kLeft + (static_cast<double>(i) + 0.5) / static_cast<double>(count) * (kRight - kLeft);
  }
};

/// A line where each layer begins, with its number where there is room.
std::string layers(const Report& r, const Across& across, double top, double bottom) {
  std::string svg;
  double last = -100;
  for (std::size_t i = 0; i < r.rows.size(); ++i) {
    const std::uint32_t layer = r.rows[i].at.layer;
    if (i != 0 && r.rows[i - 1].at.layer == layer) continue;
    const double x = across.place(i) - (kRight - kLeft) / static_cast<double>(2 * across.count);
    svg += fmt::format("<line class=\"g\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{}\" y2=\"{}\"/>\n", x,
                       x, top, bottom);
    if (x - last < 50 || layer == tensor::kWholeModel) continue;
    svg += words_at(x + 3, bottom + 16, "start", fmt::format("layer {}", layer));
    last = x;
  }
  return svg;
}

std::string dot(double x, double y, const char* kind, double radius, const std::string& title) {
  return fmt::format(
      "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"><title>{}</title></circle>\n",
      kind, x, y, radius, escaped(title));
}

std::string own_picture(const Report& r, const Across& across) {
  std::vector<double> ratios;
  for (const StageRow& row : r.rows) {
    if (row.own() != nullptr) ratios.push_back(row.own()->ratio);
  }
  const LogAxis axis = axis_of(ratios, 0.1, 10, kOwnBottom, kOwnTop);
  const double floor = axis.place(1);
  std::string svg = words_at(kLeft, kOwnTop - 12, "start",
                             "Own error of each stage over its floor: below the line is what "
                             "rounding explains; grey: not judged");
  svg += fmt::format("<rect class=\"b\" x=\"{}\" width=\"{}\" y=\"{:.1f}\" height=\"{:.1f}\"/>\n",
                     kLeft, kRight - kLeft, floor, kOwnBottom - floor);
  svg += grid(axis) + layers(r, across, kOwnTop, kOwnBottom);
  for (std::size_t i = 0; i < r.rows.size(); ++i) {
    const StageRow& row = r.rows[i];
    const OwnError* own = row.own();
    if (own == nullptr) {
      svg += dot(across.place(i), kOwnBottom, "u", 2,
                 fmt::format("{}: {}", to_string(row.at), row.unjudged));
      continue;
    }
    const bool above = own->exceeds();
    const double y = std::isinf(own->ratio) ? kOwnTop : axis.place(std::max(own->ratio, 1e-300));
    svg += dot(across.place(i), y, above ? "r" : "d", above ? 5 : 3,
               fmt::format("{}: own error {:.3g}, {:.3g} of its floor", to_string(row.at),
                           own->relative, own->ratio));
    if (r.verdict.at != row.at) continue;
    const bool left = across.place(i) > kWidth / 2;
    const double below = y < kOwnTop + 10 ? 18 : 4;  // clear of the top line
    svg += words_at(across.place(i) + (left ? -10 : 10), y + below, left ? "end" : "start",
                    to_string(row.at) + (std::isinf(own->ratio) ? ", infinitely" : ""), "n");
  }
  return svg;
}

std::string line_of(const std::vector<std::pair<double, double>>& points, const char* kind) {
  std::string path;
  for (const auto& [x, y] : points) path += fmt::format("{:.1f},{:.1f} ", x, y);
  return points.size() < 2 ? ""
                           : fmt::format("<polyline class=\"{}\" points=\"{}\"/>\n", kind, path);
}

std::string apart_picture(const Report& r, const Across& across) {
  std::vector<double> values;
  for (const StageRow& row : r.rows) {
    if (row.total) values.push_back(row.total->relative);
    values.push_back(row.predicted_total);
  }
  const auto finite = [](double v) { return std::isfinite(v) && v > 0; };
  if (std::ranges::none_of(values, finite)) {
    return words_at(kLeft, kApartTop - 12, "start",
                    "The two ends are nowhere apart, or nothing of both was captured");
  }
  double most = 0;
  for (const double v : values) most = finite(v) ? std::max(most, v) : most;
  const LogAxis axis = axis_of(values, most, most, kApartBottom, kApartTop);
  std::string svg =
      words_at(kLeft, kApartTop - 12, "start",
               "How far the two ends are apart, inherited error and all; dashed: what "
               "noise of the predicted size makes of it");
  svg += grid(axis) + layers(r, across, kApartTop, kApartBottom);
  std::vector<std::pair<double, double>> total, predicted;
  std::string dots, infinite;
  for (std::size_t i = 0; i < r.rows.size(); ++i) {
    const StageRow& row = r.rows[i];
    if (row.predicted_total > 0) {
      predicted.emplace_back(across.place(i), axis.place(row.predicted_total));
    }
    if (!row.total || row.total->relative <= 0) continue;
    if (!std::isfinite(row.total->relative) && infinite.empty()) {
      infinite = words_at(across.place(i), kApartTop + 16, "start", "infinitely from here on");
    }
    total.emplace_back(across.place(i), axis.place(row.total->relative));
    dots += dot(across.place(i), total.back().second, "a", 2.5,
                fmt::format("{}: apart by {:.3g}, cosine {:.7f}", to_string(row.at),
                            row.total->relative, row.total->cosine));
  }
  return svg + line_of(predicted, "p") + line_of(total, "l") + dots + infinite;
}

}  // namespace

std::string report_svg(const Report& r) {
  const Across across{std::max<std::size_t>(r.rows.size(), 1)};
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" role=\"img\" aria-label=\"bisection\">\n",
      kWidth, kHeight);
  svg +=
      "<style>.t{font:12px sans-serif;fill:#777}.h{font:bold 15px sans-serif;fill:#555}"
      ".n{font:bold 13px sans-serif;fill:#d62828}.g{stroke:#999;stroke-opacity:.35}"
      ".b{fill:#2a9d4a;fill-opacity:.15}.d{fill:#3478c8;fill-opacity:.8}.r{fill:#d62828}"
      ".u{fill:#999}.a{fill:#8a5cc8}.l{fill:none;stroke:#8a5cc8}"
      ".p{fill:none;stroke:#777;stroke-dasharray:5 4}</style>\n";
  const std::string headline = tensor::printable(r.verdict.headline);
  const std::size_t cut = headline.size() <= kLine ? headline.size() : headline.rfind(' ', kLine);
  svg += words_at(kLeft, 20, "start", headline.substr(0, cut), "h");
  if (cut < headline.size()) svg += words_at(kLeft, 37, "start", headline.substr(cut + 1), "h");
  svg += words_at(kLeft, 53, "start",
                  fmt::format("good: {}, bad: {}", tensor::printable(r.good.name),
                              tensor::printable(r.bad.name)));
  return svg + own_picture(r, across) + apart_picture(r, across) + "</svg>\n";
}

}  // namespace refute::bisect
