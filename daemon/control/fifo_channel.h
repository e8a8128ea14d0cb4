// The FIFO channel: commands in words, one a line, from whoever may write to control.fifo; each
// answer is a line of JSON to reply.fifo and an entry in the journal.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/base/lifetime.h"
#include "daemon/base/unique_fd.h"
#include "daemon/config/settings.h"
#include "daemon/control/answer_queue.h"
#include "daemon/control/commands.h"
#include "daemon/control/line_splitter.h"
#include "daemon/control/reply_fifo.h"
#include "daemon/event/dispatcher.h"
#include "daemon/event/read_watch.h"

namespace netd::control {

/// Belongs to the main thread.
class FifoChannel final : public Caller {
 public:
  /// Makes the FIFOs where they are missing; settings.fifo is not empty. A file in the way that is
  /// no FIFO is an error and left alone. What is passed by reference must outlive the channel.
  [[nodiscard]] static Result<std::unique_ptr<FifoChannel>> create(
      Dispatcher& dispatcher, const config::ControlSettings& settings, const Services& services);
  ~FifoChannel() override;

  // Caller. The kernel let only those write who may steer.
  void on_answer(std::uint64_t slot, std::string document) override;
  [[nodiscard]] bool reachable() const override { return reply_.has_reader(); }
  [[nodiscard]] Permission permission() const override { return Permission::steer; }
  [[nodiscard]] tasks::Holder holder() const override { return holder_; }
  [[nodiscard]] std::string who() const override { return "fifo"; }
  [[nodiscard]] EventSubscriber* subscriber() override { return nullptr; }

 private:
  FifoChannel(Dispatcher& dispatcher, const config::ControlSettings& settings,
              const Services& services);
  Result<void> open();
  [[nodiscard]] Result<UniqueFd> open_for_reading() const;
  void on_readable();
  void on_writers_gone();
  void run_line(std::string_view line);
  [[nodiscard]] Answer open_answer(std::string_view line);
  void send_ready();

  std::string path_;
  Services services_;
  tasks::Holder holder_;
  mutable ReplyFifo reply_;  // asking for a reader opens it
  UniqueFd fd_;
  std::unique_ptr<ReadWatch> watch_;  // depends on: fd_
  LineSplitter lines_;
  AnswerQueue answers_;  // labelled with the lines; with kMaxRequestsInFlight nothing more is read
  bool paused_ = false;
  bool sending_ = false;
  Lifetime lifetime_;
};

}  // namespace netd::control
