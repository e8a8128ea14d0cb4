// One client of the control socket: requests in, answers out in the same order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/lifetime.h"
#include "daemon/control/answer_queue.h"
#include "daemon/control/commands.h"
#include "daemon/control/credentials.h"
#include "daemon/control/request_framer.h"
#include "daemon/net/connection.h"
#include "daemon/net/session.h"

namespace netd::control {

class ControlSession;

/// Collects the sessions that have answers to send, so that all answers of one turn of the loop
/// leave each session in one write.
class AnswerFlusher {
 public:
  virtual ~AnswerFlusher() = default;
  /// Calls session.flush() later in this turn. Never twice for one mark.
  virtual void flush_soon(ControlSession& session) = 0;
};

class ControlSession final : public Session, public Caller, public EventSubscriber {
 public:
  /// All references must outlive the session.
  ControlSession(Connection& connection, const Services& services, AnswerFlusher& flusher,
                 PeerCredentials peer, Permission permission);
  ~ControlSession() override;

  // Session
  std::size_t on_data(std::string_view input) override;
  void on_end() override;
  void on_drained() override;
  void on_timeout(Timeout which) override;
  void on_shutdown() override;
  void on_closed() noexcept override;

  // Caller
  void on_answer(std::uint64_t slot, std::string document) override;
  [[nodiscard]] bool reachable() const override;
  [[nodiscard]] Permission permission() const override { return permission_; }
  [[nodiscard]] tasks::Holder holder() const override { return holder_; }
  [[nodiscard]] std::string who() const override;
  [[nodiscard]] EventSubscriber* subscriber() override { return this; }

  // EventSubscriber
  [[nodiscard]] bool on_event(const Event& event) override;

  /// Sends the answers whose turn has come.
  void flush();
  [[nodiscard]] Lifetime::Watch watch() { return lifetime_.watch(); }

 private:
  [[nodiscard]] Answer open_answer(std::string tag = {}, Pace pace = Pace::take);
  /// False when the request has to wait: nothing has happened, and it is read once more later.
  [[nodiscard]] bool handle(std::string_view object);
  [[nodiscard]] bool must_wait(Pace pace) const;
  /// Whether so much is in flight, or waits for the client to read, that nothing more is begun.
  [[nodiscard]] bool is_full() const;
  void keep_answer(AnswerQueue::Entry& entry, std::string document);
  void stall();
  /// Answers, and closes once everything before has been answered too.
  void end_with(std::string_view code, std::string_view message);
  void write_ready();
  void mark_for_flush();
  void close_when_answered();
  [[nodiscard]] bool peer_is_gone() const;

  const Services& services_;
  AnswerFlusher& flusher_;
  PeerCredentials peer_;
  Permission permission_;
  tasks::Holder holder_;
  RequestFramer framer_;
  // At most kMaxRequestsInFlight; labelled with the requests' tags, marked with their Pace.
  AnswerQueue answers_;
  std::size_t answer_bytes_ = 0;  // of the documents in answers_
  unsigned changing_ = 0;         // of answers_: not answered yet, and Pace::change
  unsigned finishing_ = 0;        // the same with Pace::finish
  Pace stalled_for_{};            // of the request that waits
  bool stalled_ = false;          // nothing is read: a request waits, or too many are in flight
  std::string events_;            // of this turn; less than kWriteSize
  bool reading_ = false;          // in on_data(): answers are sent when it ends
  bool flush_marked_ = false;
  bool ending_ = false;  // takes no more requests; closes when all are answered
  Lifetime lifetime_;
};

}  // namespace netd::control
