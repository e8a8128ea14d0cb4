// `netctl top`: the daemon live on a terminal.
// Its macros have the names of everyday functions.
#define NCURSES_NOMACROS
#include <curses.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "ctl/clients/interrupt.h"
#include "ctl/custom_commands.h"
#include "ctl/durations.h"
#include "ctl/humanize.h"
#include "ctl/json_access.h"
#include "ctl/printers.h"
#include "ctl/status_view.h"
#include "ctl/terminal_text.h"
#include "ctl/top_model.h"
#include "ctl/waiting.h"

namespace netd::ctl {

namespace {

struct Options {
  std::string interval = "1s";
  std::string filter;
};

constexpr std::string_view kNoScreen =
    "top needs a terminal that can place its cursor, of a kind (TERM) that is known here; "
    "stats --watch is for others";

constexpr std::array<const char*, 16> kHelp = {
    "netctl top",
    "",
    "  1 2 3, Tab   listeners, connections, queues",
    "  s, S         sort by the next or the previous column",
    "  r            the other way round",
    "  /            filter: only rows with this text; Esc shows all again",
    "  up, down     scroll; also page up, page down, home and end",
    "  space        pause, and go on",
    "  + -          look less or more often",
    "  h, ?         this page",
    "  q            quit",
    "",
    "* stands at the column that is sorted by, ^ where it is the other way round.",
    "Rates are of the time between the last two looks.",
    "",
    "Any key goes back."};

/// One look at the daemon: what the summary and the chosen view need.
struct Look {
  OrderedJson status;
  OrderedJson detail;  // of the view; null for the listeners, which are in the status
  Moment at;
};

class Screen {
 public:
  /// Null when the terminal cannot do it, or nothing is known of its kind.
  static std::unique_ptr<Screen> open() {
    SCREEN* const screen = ::newterm(nullptr, stdout, stdin);
    if (screen == nullptr) return nullptr;
    std::unique_ptr<Screen> opened(new Screen(screen));
    return ::tigetstr("cup") == nullptr || ::tigetstr("clear") == nullptr ? nullptr
                                                                          : std::move(opened);
  }
  ~Screen() {
    (void)::endwin();
    ::delscreen(screen_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  /// A line, cut at the right edge; `attributes` over all of its width where it is a bar.
  static void line(int row, const std::string& text, attr_t attributes = A_NORMAL,
                   bool bar = false) {
    (void)::attrset(static_cast<int>(attributes));
    if (bar) (void)::mvhline(row, 0, ' ' | attributes, COLS);
    (void)::mvaddnstr(row, 0, text.c_str(), static_cast<int>(fitting(text)));
    (void)::attrset(A_NORMAL);
  }

 private:
  explicit Screen(SCREEN* screen) : screen_(screen) {
    (void)::cbreak();
    (void)::noecho();
    (void)::keypad(stdscr, TRUE);
    (void)::set_escdelay(50);
    (void)::curs_set(0);
    if (::has_colors() && Terminal::of_standard_output().colour) {
      (void)::start_color();
      (void)::use_default_colors();
      (void)::init_pair(1, COLOR_RED, -1);
      (void)::init_pair(2, COLOR_GREEN, -1);
    }
  }

  /// Bytes of what fits into a row.
  static std::size_t fitting(const std::string& text) {
    return start_that_fits(text, static_cast<std::size_t>(std::max(COLS, 1))).size();
  }

  SCREEN* const screen_;
};

class Top {
 public:
  Top(const Context& context, ControlClient client, milliseconds interval, std::string filter)
      : context_(context), client_(std::move(client)), interval_(interval) {
    order_.filter = std::move(filter);
  }

  int run() {
    note_interrupts();  // ncurses leaves the handlers alone that it finds
    const auto screen = Screen::open();
    if (screen == nullptr) return complain(kNoScreen, kUsage);
    look();
    while (!done_ && !interrupted()) {
      draw();
      const auto left = std::chrono::ceil<milliseconds>(next_ - std::chrono::steady_clock::now());
      ::timeout(static_cast<int>(std::clamp<long>(left.count(), 0, 3'600'000)));
      const int key = ::getch();
      if (key == ERR) {
        // Nobody can type any more: the terminal is gone.
        if (std::chrono::steady_clock::now() < next_ && ::isatty(STDIN_FILENO) != 1) return kFailed;
      } else {
        on_key(key);
      }
      if (std::chrono::steady_clock::now() >= next_) look();
    }
    return kDone;
  }

 private:
  static constexpr int kTableRow = 6;

  std::optional<OrderedJson> ask(std::string_view request) {
    constexpr milliseconds kPatience{2000};
    if (!client_) {
      auto client = context_.connect();
      if (!client) {
        trouble_ = client.error().what();
        return std::nullopt;
      }
      client_ = std::move(*client);
    }
    const auto answer = client_->ask(request, kPatience);
    if (!answer) {
      trouble_ = answer.error().what();
      client_.reset();
      return std::nullopt;
    }
    OrderedJson document = OrderedJson::parse(*answer, nullptr, false);
    if (outcome_of(*answer).status != "ok") {
      trouble_ = render_error(*answer);
      return std::nullopt;
    }
    return document;
  }

  void look() {
    next_ = std::chrono::steady_clock::now() + interval_;
    if (paused_) return;
    Look fresh;
    fresh.at = std::chrono::steady_clock::now();
    auto status = ask(R"({"type":"status"})");
    if (!status) return;
    fresh.status = std::move(*status);
    if (view_ != TopView::listeners) {
      auto detail = ask(view_ == TopView::connections ? R"({"type":"connections","limit":1000})"
                                                      : R"({"type":"task_stats"})");
      if (!detail) return;
      fresh.detail = std::move(*detail);
    }
    trouble_.clear();
    before_ = std::move(now_);
    now_ = std::move(fresh);
  }

  [[nodiscard]] double seconds() const {
    if (before_.status.is_null()) return 0;
    return std::chrono::duration<double>(now_.at - before_.at).count();
  }

  void draw() {
    (void)::erase();
    if (help_) {
      for (std::size_t row = 0; row < kHelp.size(); ++row) {
        Screen::line(static_cast<int>(row), kHelp.at(row), row == 0 ? A_BOLD : A_NORMAL);
      }
      // How to leave it is seen on a small screen, too.
      Screen::line(std::min(LINES, static_cast<int>(kHelp.size())) - 1, kHelp.back(), A_NORMAL,
                   true);
    } else {
      draw_summary();
      draw_table();
    }
    (void)::refresh();
  }

  void draw_summary() {
    if (now_.status.is_null()) {
      Screen::line(0, trouble_, A_BOLD | static_cast<attr_t>(COLOR_PAIR(1)));
      return;
    }
    const auto lines = top_summary(before_.status, now_.status, seconds());
    const bool bad = !trouble_.empty() || !problems_of(now_.status).empty();
    const attr_t attributes = A_BOLD | static_cast<attr_t>(bad ? COLOR_PAIR(1) : COLOR_PAIR(2));
    Screen::line(0, trouble_.empty() ? lines[0] : trouble_, attributes);
    for (std::size_t i = 1; i < lines.size(); ++i) Screen::line(static_cast<int>(i), lines[i]);
    std::string state =
        paused_ ? "paused"
                : "every " + human_seconds(std::chrono::duration<double>(interval_).count());
    if (typing_ || !order_.filter.empty()) state += "; filter: " + order_.filter;
    if (typing_) state += "_";
    Screen::line(4, "[1 listeners  2 connections  3 queues]  " + state + "  (h: help, q: quit)",
                 A_DIM);
  }

  void draw_table() {
    if (now_.status.is_null()) return;
    const bool listeners = view_ == TopView::listeners;
    // After a change of the view there is nothing to compare with, for one look.
    auto rows = top_rows(view_, listeners ? before_.status : before_.detail,
                         listeners ? now_.status : now_.detail, seconds());
    arrange(rows, order_, view_);
    const auto lines = top_lines(view_, rows, order_);
    const auto room = static_cast<std::size_t>(std::max(LINES - kTableRow, 1));
    const std::size_t last = lines.size() - 1;  // without the heading
    first_ = std::min(first_, last > room ? last - room : 0);
    page_ = room;
    Screen::line(kTableRow - 1, lines[0], A_REVERSE, true);
    for (std::size_t row = 0; row < room && first_ + row < last; ++row) {
      Screen::line(kTableRow + static_cast<int>(row), lines[first_ + row + 1]);
    }
  }

  void show_view(TopView view) {
    if (view == view_) return;
    view_ = view;
    order_.column = 0;
    order_.reverse = false;
    first_ = 0;
    before_ = {};
    now_.detail = OrderedJson();
    const bool was_paused = std::exchange(paused_, false);
    look();
    paused_ = was_paused;
  }

  void on_key(int key) {
    if (help_) {
      help_ = key == KEY_RESIZE;
      return;
    }
    if (typing_) return on_typed(key);
    const std::size_t columns = top_headings(view_).size();
    switch (key) {
      case 'q':
      case 'Q':
      case 4:  // Ctrl-D
        done_ = true;
        break;
      case 'h':
      case '?':
        help_ = true;
        break;
      case '1':
      case '2':
      case '3':
        show_view(static_cast<TopView>(key - '1'));
        break;
      case '\t':
        show_view(static_cast<TopView>((static_cast<int>(view_) + 1) % 3));
        break;
      case 's':
        order_.column = (order_.column + 1) % columns;
        break;
      case 'S':
        order_.column = (order_.column + columns - 1) % columns;
        break;
      case 'r':
        order_.reverse = !order_.reverse;
        break;
      case '/':
        typing_ = true;
        break;
      case 27:  // Esc
        order_.filter.clear();
        break;
      case ' ':
        paused_ = !paused_;
        break;
      case '+':
        interval_ = std::min(interval_ * 2, milliseconds(60'000));
        break;
      case '-':
        interval_ = std::max(interval_ / 2, kShortest);
        break;
      default:
        scroll(key);
    }
  }

  void scroll(int key) {
    if (key == KEY_DOWN) ++first_;
    if (key == KEY_UP && first_ > 0) --first_;
    if (key == KEY_NPAGE) first_ += page_;
    if (key == KEY_PPAGE) first_ -= std::min(first_, page_);
    if (key == KEY_HOME) first_ = 0;
    if (key == KEY_END) first_ = std::size_t{1} << 30;  // drawing brings it back
  }

  void on_typed(int key) {
    if (key == '\n' || key == KEY_ENTER) {
      typing_ = false;
    } else if (key == 27) {
      typing_ = false;
      order_.filter.clear();
    } else if (key == KEY_BACKSPACE || key == 127 || key == 8) {
      if (!order_.filter.empty()) order_.filter.pop_back();
    } else if (key >= 0x20 && key < 0x7F && order_.filter.size() < 100) {
      order_.filter += static_cast<char>(key);
    }
  }

 public:
  static constexpr milliseconds kShortest{100};

 private:
  const Context& context_;
  std::optional<ControlClient> client_;
  milliseconds interval_;
  TopView view_ = TopView::listeners;
  TopOrder order_;
  Look before_;
  Look now_;
  Moment next_;
  std::string trouble_;
  std::size_t first_ = 0;  // row that is shown
  std::size_t page_ = 1;
  bool help_ = false;
  bool typing_ = false;
  bool paused_ = false;
  bool done_ = false;
};

int run_top(const Options& options, const Context& context) {
  const auto interval = parse_seconds(options.interval);
  if (!interval) return complain("--interval: " + interval.error().what(), kUsage, context);
  if (context.json || !context.terminal.is_terminal() || ::isatty(STDIN_FILENO) != 1) {
    return complain("top needs a terminal; stats --watch is for pipes and for --json", kUsage,
                    context);
  }
  if (!context.terminal.moves) return complain(kNoScreen, kUsage);
  auto client = context.connect();
  if (!client) return complain(client.error().what(), kUnreachable, context);
  return Top(context, std::move(*client), std::max(*interval, Top::kShortest), options.filter)
      .run();
}

}  // namespace

std::function<int(const Context&)> define_top(CLI::App& command) {
  const auto options = std::make_shared<Options>();  // lives as long as the callback
  command.add_option("--interval", options->interval, "between two looks")
      ->type_name("TIME")
      ->capture_default_str();
  command.add_option("--filter", options->filter, "only rows with this text")->type_name("TEXT");
  return [options](const Context& context) { return run_top(*options, context); };
}

}  // namespace netd::ctl
