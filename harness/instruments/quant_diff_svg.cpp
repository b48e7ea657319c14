#include "harness/instruments/quant_diff_svg.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "harness/instruments/markup.hpp"
#include "harness/instruments/quant_diff_names.hpp"
#include "harness/tensor/text.hpp"

namespace refute::instruments {
namespace {

constexpr double kWidth = 960, kLeft = 70, kRight = 930;
constexpr double kTop = 50, kMiddle = 330, kBottomTop = 410, kBottom = 590, kHeight = 640;
constexpr double kLeastError = 1e-9;
constexpr double kBeyond = 1e9;  ///< stands for no number
constexpr double kZeroRow = 28;  ///< height that tensors without any error take, below the rest

/// A logarithmic axis from one power of ten to another, and below it a row for zero if need be.
struct LogAxis {
  int low, high;  ///< exponents
  double from, to, zero;
  double place(double value) const {
    if (value == 0) return zero;
    const double exponent = std::log10(std::max(value, std::pow(10.0, low)));
    return from + (std::min(exponent, double(high)) - low) / (high - low) * (to - from);
  }
};

/// Where one tensor stands.
struct Dot {
  const DiffRow* row;
  double error;  ///< relative; the largest that fits the axis where there is none
  std::optional<unsigned> layer;
};

std::vector<Dot> dots_of(const DiffReport& report) {
  std::vector<Dot> dots;
  for (const DiffRow& row : report.rows) {
    const bool measured = row.relative_error.defined();
    if (!measured && row.findings.empty()) continue;
    dots.push_back({&row, measured ? row.relative_error.value() : kBeyond, layer_of(row.tensor)});
  }
  return dots;
}

/// What the axis has to hold.
struct Extent {
  double least = kBeyond, most = 0;
  bool zero = false;

  void take(double error) {
    if (error == 0) zero = true;
    if (error <= 0 || error >= kBeyond) return;
    least = std::min(least, error);
    most = std::max(most, error);
  }
};

/// Every error that is a number, and the whole of every band.
LogAxis error_axis(const std::vector<Dot>& dots, double bottom, double top) {
  Extent extent;
  for (const Dot& dot : dots) {
    extent.take(dot.error);
    if (!dot.row->band || dot.row->band->lossless()) continue;
    extent.take(dot.row->band->high);
    if (dot.row->band->low > 0) extent.take(dot.row->band->low);
  }
  if (extent.most == 0) extent = {1e-3, 1, extent.zero};
  const int low = static_cast<int>(std::floor(std::log10(std::max(extent.least, kLeastError))));
  const int high =
      static_cast<int>(std::ceil(std::log10(std::max(extent.most, kLeastError) * 1.001)));
  const double from = extent.zero ? bottom - kZeroRow : bottom;
  return {low, std::max(high, low + 1), from, top, extent.zero ? bottom : from};
}

/// Tensors outside the layers stand in front of the first one.
struct LayerAxis {
  unsigned layers;
  double place(std::optional<unsigned> layer) const {
    const double slots = layers + 1.0;
    return kLeft + ((layer ? *layer + 1.0 : 0.0) + 0.5) / slots * (kRight - kLeft);
  }
};

std::string text_at(double x, double y, std::string_view anchor, std::string_view words) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     markup_escaped(words));
}

std::string power_of_ten(int exponent) {
  return exponent >= -3 && exponent <= 1 ? fmt::format("{:g}", std::pow(10.0, exponent))
                                         : fmt::format("1e{}", exponent);
}

std::string horizontal_grid(const LogAxis& axis) {
  std::string svg;
  for (int e = axis.low; e <= axis.high; ++e) {
    const double y = axis.place(std::pow(10.0, e));
    svg += fmt::format("<line class=\"g\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                       kLeft, kRight, y, y);
    svg += text_at(kLeft - 8, y + 4, "end", power_of_ten(e));
  }
  if (axis.zero == axis.from) return svg;
  svg += fmt::format("<line class=\"g\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kLeft,
                     kRight, axis.zero, axis.zero);
  return svg + text_at(kLeft - 8, axis.zero + 4, "end", "0");
}

/// One band per format that occurs.
std::string bands(const std::vector<Dot>& dots, const LogAxis& axis) {
  std::map<std::string, ErrorBand> seen;
  for (const Dot& dot : dots) {
    if (dot.row->band && !dot.row->band->lossless()) seen[dot.row->qtype] = *dot.row->band;
  }
  std::string svg;
  for (const auto& [name, band] : seen) {
    const double top = axis.place(band.high);
    const double bottom = band.low > 0 ? axis.place(band.low) : axis.from;
    svg += fmt::format("<rect class=\"b\" x=\"{}\" width=\"{}\" y=\"{:.1f}\" height=\"{:.1f}\"/>\n",
                       kLeft, kRight - kLeft, top, std::max(1.0, bottom - top));
    svg += text_at(kRight - 4, top - 3, "end", name);
  }
  return svg;
}

std::string layer_picture(const DiffReport& report) {
  const std::vector<Dot> dots = dots_of(report);
  const LogAxis axis = error_axis(dots, kMiddle, kTop);
  unsigned layers = 0;
  for (const Dot& dot : dots) layers = std::max(layers, dot.layer ? *dot.layer + 1 : 0);
  const LayerAxis along{std::min(layers, 4096u)};
  std::string svg = text_at(kLeft, kTop - 22, "start", "Relative error of each tensor, by layer");
  svg += horizontal_grid(axis) + bands(dots, axis);
  for (const Dot& dot : dots) {
    const bool red = !dot.row->findings.empty();
    const double x =
        along.place(dot.layer ? std::optional(std::min(*dot.layer, 4095u)) : dot.layer);
    svg += fmt::format(
        "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"><title>{}</title></circle>\n",
        red ? "r" : "d", x, axis.place(dot.error), red ? 5 : 3.5,
        markup_escaped(fmt::format(
            "{} {} {}", tensor::printable(dot.row->tensor), tensor::printable(dot.row->qtype),
            dot.row->relative_error.defined() ? fmt::format("{:.4g}", dot.error) : "no number")));
  }
  svg += text_at(along.place(std::nullopt), kMiddle + 18, "middle", "none");
  const unsigned step = std::max(1u, along.layers / 16);
  for (unsigned l = 0; l < along.layers; l += step) {
    svg += text_at(along.place(l), kMiddle + 18, "middle", std::to_string(l));
  }
  return svg + text_at((kLeft + kRight) / 2, kMiddle + 36, "middle", "layer");
}

std::string histogram_picture(const ErrorHistogram& h) {
  std::uint64_t most = std::max<std::uint64_t>({1, h.none, h.beyond});
  for (const std::uint64_t n : h.bins) most = std::max(most, n);
  const double slot = (kRight - kLeft) / (ErrorHistogram::kBins + 2);
  std::string svg = text_at(kLeft, kBottomTop - 12, "start",
                            "Rows and blocks by relative error (first bar: none at all)");
  const auto bar = [&](std::size_t place, std::uint64_t n, const std::string& words) {
    if (n == 0) return;
    const double height =
        std::max(1.0, static_cast<double>(n) / static_cast<double>(most) * (kBottom - kBottomTop));
    svg += fmt::format(
        "<rect class=\"h\" x=\"{:.2f}\" width=\"{:.2f}\" y=\"{:.1f}\" height=\"{:.1f}\"><title>{}: "
        "{}</title></rect>\n",
        kLeft + static_cast<double>(place) * slot, slot * 0.85, kBottom - height, height, words, n);
  };
  bar(0, h.none, "no error");
  for (std::size_t i = 0; i < ErrorHistogram::kBins; ++i) {
    bar(i + 1, h.bins[i], fmt::format("from {:.3g}", ErrorHistogram::lower_edge(i)));
  }
  bar(ErrorHistogram::kBins + 1, h.beyond, "beyond 4, or of zeros");
  for (std::size_t i = 0; i < ErrorHistogram::kBins; i += 8) {
    svg += text_at(kLeft + (static_cast<double>(i) + 1) * slot, kBottom + 18, "middle",
                   fmt::format("{:.1g}", ErrorHistogram::lower_edge(i)));
  }
  return svg + text_at(kLeft - 8, kBottomTop + 4, "end", std::to_string(most));
}

}  // namespace

std::string diff_svg(const DiffReport& report) {
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" role=\"img\" aria-label=\"quantisation diff\">\n",
      kWidth, kHeight);
  svg +=
      "<style>text{font:12px sans-serif;fill:#777}.g{stroke:#999;stroke-opacity:.35}"
      ".b{fill:#2a9d4a;fill-opacity:.18}.d{fill:#3478c8;fill-opacity:.75}.r{fill:#d62828}"
      ".h{fill:#3478c8;fill-opacity:.75}</style>\n";
  return svg + layer_picture(report) + histogram_picture(report.histogram) + "</svg>\n";
}

}  // namespace refute::instruments
