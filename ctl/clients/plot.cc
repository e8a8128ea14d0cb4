#include "ctl/clients/plot.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>

namespace netd::ctl {

namespace {

constexpr double kWidth = 800;
constexpr double kHeight = 420;
constexpr double kLeft = 70;
constexpr double kRight = 20;
constexpr double kTop = 40;
constexpr double kBottom = 50;

// Okabe and Ito's: told apart by colour-blind readers, too.
constexpr std::array<const char*, 7> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#e69f00", "#56b4e9", "#000000"};

std::string number(double value, int digits = 1) {
  std::array<char, 400> text{};
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value,
                                     std::chars_format::fixed, digits);
  return {text.data(), written.ptr};
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out;
}

/// 1, 2 or 5 times a power of ten, so that `range` has about five of it.
double round_step(double range) {
  const double rough = range / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (power * factor >= rough) return power * factor;
  }
  return power * 10;
}

class Drawing {
 public:
  explicit Drawing(const Plot& plot) : plot_(plot) {
    for (const auto& line : plot.lines) {
      for (const double x : line.x) x_end_ = std::max(x_end_, x);
      for (const double y : line.y) y_end_ = std::isnan(y) ? y_end_ : std::max(y_end_, y);
    }
    if (x_end_ <= 0) x_end_ = 1;
    if (y_end_ <= 0) y_end_ = 1;
    y_end_ *= 1.05;
  }

  std::string text() {
    out_ =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"420\" "
        "viewBox=\"0 0 800 420\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"800\" height=\"420\" fill=\"white\"/>\n";
    label(kWidth / 2, 20, "middle", plot_.title, " font-size=\"15\"");
    axes();
    for (std::size_t i = 0; i < plot_.lines.size(); ++i) draw(i);
    return out_ + "</svg>\n";
  }

 private:
  [[nodiscard]] double x_of(double value) const {
    return kLeft + value / x_end_ * (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double y_of(double value) const {
    return kHeight - kBottom - value / y_end_ * (kHeight - kTop - kBottom);
  }

  void label(double x, double y, const char* anchor, const std::string& text,
             const std::string& more = {}) {
    out_ += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\"" +
            more + ">" + escaped(text) + "</text>\n";
  }

  void stroke(double x1, double y1, double x2, double y2) {
    out_ += "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
            "\" y2=\"" + number(y2) + "\" stroke=\"#cccccc\"/>\n";
  }

  void axes() {
    const double bottom = kHeight - kBottom;
    const double y_step = round_step(y_end_);
    const int digits = std::clamp(static_cast<int>(std::ceil(-std::log10(y_step))), 0, 6);
    for (int i = 0; i * y_step <= y_end_; ++i) {
      const double y = y_of(i * y_step);
      stroke(kLeft, y, kWidth - kRight, y);
      label(kLeft - 6, y + 4, "end", number(i * y_step, digits));
    }
    const double x_step = round_step(x_end_);
    const int x_digits = std::clamp(static_cast<int>(std::ceil(-std::log10(x_step))), 0, 6);
    for (int i = 0; i * x_step <= x_end_; ++i) {
      const double x = x_of(i * x_step);
      stroke(x, bottom, x, bottom + 5);
      label(x, bottom + 18, "middle", number(i * x_step, x_digits));
    }
    label((kLeft + kWidth - kRight) / 2, kHeight - 12, "middle", plot_.x_name);
    label(16, (kTop + bottom) / 2, "middle", plot_.y_name,
          " transform=\"rotate(-90 16 " + number((kTop + bottom) / 2) + ")\"");
  }

  void draw(std::size_t index) {
    const PlotLine& line = plot_.lines[index];
    const std::string colour = kColours.at(index % kColours.size());
    std::string path;
    std::string points;
    bool pen_down = false;
    constexpr std::size_t kFew = 200;
    for (std::size_t i = 0; i < line.x.size() && i < line.y.size(); ++i) {
      if (std::isnan(line.y[i])) {
        pen_down = false;
        continue;
      }
      const std::string x = number(x_of(line.x[i]));
      const std::string y = number(y_of(line.y[i]));
      path.append(pen_down ? " L" : " M").append(x).append(" ").append(y);
      pen_down = true;
      if (line.x.size() <= kFew) {
        points.append("<circle cx=\"").append(x).append("\" cy=\"").append(y);
        points.append("\" r=\"2\" fill=\"").append(colour).append("\"/>\n");
      }
    }
    if (!path.empty()) {
      out_ +=
          "<path d=\"" + path.substr(1) + "\" fill=\"none\" stroke=\"" + colour + "\"/>\n" + points;
    }
    const double y = kTop + 4 + 16 * static_cast<double>(index);
    label(kWidth - kRight - 4, y, "end", line.name, " fill=\"" + colour + "\"");
  }

  const Plot& plot_;
  double x_end_ = 0;
  double y_end_ = 0;
  std::string out_;
};

}  // namespace

std::string svg_of(const Plot& plot) { return Drawing(plot).text(); }

Result<void> write_svg(const Plot& plot, const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "we"),
                                                             std::fclose);
  if (file == nullptr) return fail_system("open " + path, errno);
  const std::string text = svg_of(plot);
  if (std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() ||
      std::fflush(file.get()) != 0) {
    return fail_system("write " + path, errno);
  }
  return {};
}

}  // namespace netd::ctl
