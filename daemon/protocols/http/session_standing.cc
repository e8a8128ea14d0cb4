// What an HTTP session is worth when there are more clients than places.
#include <algorithm>
#include <chrono>

#include "daemon/protocols/http/session.h"
#include "daemon/protocols/http/site.h"

namespace netd::http {

namespace {

// Where places are short, a transfer has to show within this time that it moves, and at so many
// times the least rate.
constexpr std::chrono::seconds kGlance{1};
constexpr std::uint64_t kGoodRate = 16;

}  // namespace

Standing HttpSession::standing() {
  using Worth = Standing::Worth;
  if (timing_ == Timing::head) {
    return {Worth::asking, connection().deadline() - site_.limits().header_timeout};
  }
  if (state_ == State::awaiting) return {};
  if (state_ == State::proxied && (timing_ == Timing::none || unfinished_->proxied->is_tunnel() ||
                                   unfinished_->proxied->holds_client())) {
    return {};
  }
  const bool waits = state_ == State::head && !connection().backlogged() && !has_leftover_;
  if (waits) {
    if (requests_ == 0) return {Worth::asking, connection().opened_at()};
    if (connection().unsent() == 0) return {Worth::idle, connection().last_activity()};
    // The kernel has taken all of the answer: its reader is watched all the same.
    watch(Timing::sending);
  }
  return standing_of_transfer();
}

Standing HttpSession::standing_of_transfer() {
  if (timing_ == Timing::none || site_.limits().min_rate == 0) return {};
  const Monotonic began = connection().deadline() - kRatePeriod;
  const Duration elapsed = connection().dispatcher().now() - began;
  if (elapsed < kGlance) return {};
  const std::uint64_t moved = progress();
  const auto milliseconds = static_cast<std::uint64_t>(to_milliseconds(elapsed).count());
  const std::uint64_t least = kGoodRate * site_.limits().min_rate * milliseconds / 1000;
  if (moved < progress_mark_ + least) return {Standing::Worth::stalled, began};
  // It is looked at afresh: what it did well in may be over.
  progress_mark_ = moved;
  connection().set_deadline(kRatePeriod);
  return {};
}

void HttpSession::on_displaced() {
  // An answer that has begun has no other end than that of its connection, and who has not begun
  // to ask is not told (RFC 9112, section 9.5).
  const bool in_request = timing_ == Timing::head || state_ == State::body;
  if (in_request && !connection().backlogged()) {
    refuse(408, "too many clients wait, and this request is not complete", false);
  }
}

}  // namespace netd::http
