// Names to addresses without blocking a loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/net/socket_address.h"

namespace netd {

class Dispatcher;

/// Looks one host up with getaddrinfo(3) on a thread of its own and remembers the answer for a
/// while. Questions that come while a look-up runs share its answer. Any thread.
class Resolver {
 public:
  /// In the order that the system prefers (RFC 6724); never empty.
  using Addresses = std::vector<SocketAddress>;
  using Receiver = std::function<void(const Result<Addresses>& answer)>;

  /// One question that waits for its answer.
  class Question;
  // shared_ptr: the asker and the look-up hold the question, and either may let go first.
  using QuestionPtr = std::shared_ptr<Question>;

  /// How long an answer is used again, counted from the question. Failures are for a moment only.
  static constexpr std::chrono::seconds kLifetime{10};
  static constexpr std::chrono::seconds kFailureLifetime{1};
  /// Questions that may wait for one look-up.
  static constexpr std::size_t kMaxWaiting = 65536;

  /// What getaddrinfo(3) does, as a dependency that tests replace. A literal needs no network.
  using LookUp = std::function<Result<Addresses>(const std::string& host, std::uint16_t port)>;
  [[nodiscard]] static Result<Addresses> look_up(const std::string& host, std::uint16_t port);

  /// `clock` must outlive the resolver.
  Resolver(std::string host, std::uint16_t port, const Clock& clock,
           LookUp look_up = Resolver::look_up);
  /// A look-up under way is left to itself: it may take a minute, and a stop must not.
  ~Resolver() = default;
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// The remembered answer, or null: ask().
  [[nodiscard]] std::shared_ptr<const Result<Addresses>> known() const;

  /// The remembered addresses did not do: they are used again only for as long as a failure would
  /// be, as the host may have got others.
  void doubt();

  /// Calls `receiver` in the thread of `reply_to`, later, and never before the return. The question
  /// must be cancelled before the dispatcher ends. Null when too many wait already.
  [[nodiscard]] QuestionPtr ask(Dispatcher& reply_to, Receiver receiver);
  /// The receiver is not called from now on. In the asking thread.
  static void cancel(Question& question);

 private:
  struct State;

  const Clock& clock_;
  // shared_ptr: a look-up under way outlives the resolver.
  std::shared_ptr<State> state_;
};

}  // namespace netd
