// How a command's answer finds its way back, now or later.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/lifetime.h"
#include "daemon/control/json_text.h"

namespace netd::control {

/// Who waits for answers: a session of the socket, or the FIFO.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  /// `document` is a JSON object in one line, without its line end.
  virtual void on_answer(std::uint64_t slot, std::string document) = 0;
  /// Whether an answer given now would arrive, as far as can be told.
  [[nodiscard]] virtual bool reachable() const = 0;
};

/// The place of one answer. Copies are the same place; whoever holds one last answers, exactly
/// once. Nothing happens when the sink is gone by then. Main thread only.
class Answer {
 public:
  Answer(AnswerSink& sink, Lifetime::Watch watch, std::uint64_t slot)
      : sink_(&sink), watch_(std::move(watch)), slot_(slot) {}

  /// Asked before something is handed over that would be lost with the answer.
  [[nodiscard]] bool wanted() const { return watch_.alive() && sink_->reachable(); }
  [[nodiscard]] std::uint64_t slot() const { return slot_; }

  void send(std::string document) const {
    if (watch_.alive()) sink_->on_answer(slot_, std::move(document));
  }
  void error(std::string_view code, std::string_view message) const;

 private:
  AnswerSink* sink_;
  Lifetime::Watch watch_;
  std::uint64_t slot_;
};

/// A document that begins with "status":"ok".
[[nodiscard]] JsonWriter ok_document();
[[nodiscard]] std::string error_document(std::string_view code, std::string_view message);

}  // namespace netd::control
