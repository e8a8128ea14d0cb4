#include "daemon/control/control_session.h"

#include <poll.h>

#include <chrono>
#include <utility>

#include "daemon/control/vocabulary.h"

namespace netd::control {

namespace {

// While nothing is read, because the client has finished sending or has too much in flight, the
// loop does not hear of its end: it is looked for this often.
constexpr std::chrono::seconds kGoneCheck{1};
// The events of one turn, and small answers, leave in writes of this size, in bytes.
constexpr std::size_t kWriteSize = 64U << 10U;
// Where the answers that wait for their turn or their reader have so many bytes, no other is made.
// One alone may have more: data has up to a request's size.
constexpr std::size_t kMaxAnswerBytes = 256U << 10U;

/// The document with the request's tag as its last member.
std::string with_tag(std::string document, std::string_view tag) {
  if (tag.empty()) return document;
  document.pop_back();
  document += ",\"tag\":";
  document += tag;
  document += '}';
  return document;
}

}  // namespace

ControlSession::ControlSession(Connection& connection, const Services& services,
                               AnswerFlusher& flusher, PeerCredentials peer, Permission permission)
    : Session(connection),
      services_(services),
      flusher_(flusher),
      peer_(std::move(peer)),
      permission_(permission),
      holder_(services.tasks.new_holder()) {}

ControlSession::~ControlSession() = default;

std::size_t ControlSession::on_data(std::string_view input) {
  reading_ = true;
  std::size_t consumed = 0;
  std::size_t handled = 0;
  while (!ending_) {
    if (handled == kMaxRequestsInFlight) {
      // Others have their turn first, however much this client has sent.
      stalled_for_ = Pace::change;
      stall();
      mark_for_flush();
      break;
    }
    if (is_full()) write_ready();
    if (is_full()) {
      stalled_for_ = Pace::change;
      stall();
      break;
    }
    const auto frame = framer_.next(input.substr(consumed));
    using Verdict = RequestFramer::Verdict;
    if (frame.verdict == Verdict::object && !handle(frame.text)) break;
    ++handled;
    consumed += frame.consumed;
    if (frame.verdict == Verdict::incomplete) break;
    if (frame.verdict == Verdict::object) continue;
    if (frame.verdict == Verdict::not_object) {
      open_answer().error(code::kInvalidRequest, "a request is a JSON object");
    } else if (frame.verdict == Verdict::number) {
      end_with(code::kInvalidRequest, "a request is a JSON object");
    } else if (frame.verdict == Verdict::too_large) {
      end_with(code::kTooLarge, "a request has at most 1 MiB");
    } else if (frame.verdict == Verdict::too_deep) {
      end_with(code::kTooLarge, "a request is nested at most 512 deep");
    } else {
      end_with(code::kInvalidJson, "Invalid JSON");
    }
  }
  reading_ = false;
  if (ending_) {
    write_ready();
    close_when_answered();
  } else if (answers_.ready() || !events_.empty()) {
    mark_for_flush();
  }
  return ending_ ? input.size() : consumed;
}

Answer ControlSession::open_answer(std::string tag, Pace pace) {
  if (pace == Pace::change) ++changing_;
  if (pace == Pace::finish) ++finishing_;
  return {*this, lifetime_.watch(), answers_.open(std::move(tag), static_cast<std::uint8_t>(pace))};
}

bool ControlSession::handle(std::string_view object) {
  const auto members = JsonMembers::parse(object);
  if (!members) {
    open_answer().error(code::kInvalidRequest, members.error().what());
    return true;
  }
  const Command* const command = find_command(*members);
  const Pace pace = command == nullptr ? Pace::take : command->pace;
  if (command != nullptr && must_wait(pace)) {
    stalled_for_ = pace;
    stall();
    return false;
  }
  const auto tag = members->find_any("tag");
  const Answer answer = open_answer(tag ? compact_json(*tag) : std::string(), pace);
  run_request(command, {services_, *members, *this, answer});
  return true;
}

/// Whether changes are on their way that a request of this pace must find made.
bool ControlSession::must_wait(Pace pace) const {
  if (pace == Pace::take) return changing_ > 0;
  return pace == Pace::look && (changing_ > 0 || finishing_ > 0);
}

bool ControlSession::is_full() const {
  return answers_.size() >= kMaxRequestsInFlight || answer_bytes_ >= kMaxAnswerBytes;
}

void ControlSession::stall() {
  stalled_ = true;
  connection().pause_reading();
  connection().set_deadline(kGoneCheck);
}

void ControlSession::end_with(std::string_view code, std::string_view message) {
  open_answer().error(code, message);
  ending_ = true;
}

void ControlSession::on_answer(std::uint64_t slot, std::string document) {
  auto* const entry = answers_.find(slot);
  if (entry == nullptr) return;
  keep_answer(*entry, std::move(document));
  if (entry->mark == static_cast<std::uint8_t>(Pace::change)) --changing_;
  if (entry->mark == static_cast<std::uint8_t>(Pace::finish)) --finishing_;
  if (!reading_ && (answers_.ready() || (stalled_ && !must_wait(stalled_for_)))) mark_for_flush();
}

void ControlSession::keep_answer(AnswerQueue::Entry& entry, std::string document) {
  entry.document = with_tag(std::move(document), entry.label);
  answer_bytes_ += entry.document->size();
}

void ControlSession::mark_for_flush() {
  if (flush_marked_) return;
  flush_marked_ = true;
  flusher_.flush_soon(*this);
}

void ControlSession::flush() {
  flush_marked_ = false;
  write_ready();
  if (stalled_ && !is_full() && !must_wait(stalled_for_)) {
    stalled_ = false;
    connection().resume_reading();
  }
  close_when_answered();
}

/// What the client does not read stays here, where it keeps further requests from being read.
void ControlSession::write_ready() {
  while (!connection().backlogged() && (answers_.ready() || !events_.empty())) {
    std::string lines;
    for (; answers_.ready() && lines.size() < kWriteSize; answers_.drop_first()) {
      std::string& document = answers_.first_document();
      answer_bytes_ -= document.size();
      if (lines.empty()) {
        lines = std::move(document);
      } else {
        lines += document;
      }
      lines += '\n';
    }
    // The answer to `subscribe` goes before its first event.
    if (!answers_.ready()) lines += std::exchange(events_, {});
    connection().write(lines);
  }
}

void ControlSession::close_when_answered() {
  if (ending_ && answers_.empty() && !services_.events.is_subscribed(*this)) connection().close();
}

void ControlSession::on_end() {
  if (framer_.in_text()) {
    end_with(code::kInvalidJson, "Invalid JSON");
    write_ready();
  }
  ending_ = true;
  if (peer_is_gone()) {
    connection().abort();
    return;
  }
  close_when_answered();
  if (connection().is_open()) connection().set_deadline(kGoneCheck);
}

void ControlSession::on_drained() {
  flush();
  services_.events.tell_missed(*this);
}

void ControlSession::on_timeout(Timeout) {
  if (peer_is_gone()) {
    connection().abort();
  } else if (ending_ || stalled_) {
    connection().set_deadline(kGoneCheck);
  }
}

void ControlSession::on_shutdown() {
  ending_ = true;
  services_.events.unsubscribe(*this);
  // What waits for a task or a commit is not worth holding up the end: parked consumers are let go,
  // and a client without an answer asks again.
  services_.tasks.release(holder_);
  answers_.for_each_open([this](AnswerQueue::Entry& entry) {
    keep_answer(entry, error_document(code::kStopping, "netd is stopping"));
  });
  write_ready();
  close_when_answered();
}

void ControlSession::on_closed() noexcept {
  lifetime_ = Lifetime();
  services_.events.unsubscribe(*this);
  services_.tasks.release(holder_);
}

bool ControlSession::peer_is_gone() const {
  pollfd state{connection().fd(), 0, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

/// In on_data() the client has just spoken. Later he may have gone, and the loop not know it yet.
bool ControlSession::reachable() const {
  return connection().is_open() && (reading_ || !peer_is_gone());
}

std::string ControlSession::who() const {
  return "uid=" + std::to_string(peer_.uid) + ",pid=" + std::to_string(peer_.pid);
}

bool ControlSession::on_event(const Event& event) {
  if (connection().backlogged()) return false;
  events_.append(event.line).push_back('\n');
  if (events_.size() < kWriteSize) {
    mark_for_flush();
  } else {
    write_ready();
  }
  return true;
}

}  // namespace netd::control
