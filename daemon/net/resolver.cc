#include "daemon/net/resolver.h"

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

#include "daemon/event/dispatcher.h"

namespace netd {

class Resolver::Question {
 public:
  Question(Dispatcher& reply_to, Receiver receiver)
      : reply_to_(&reply_to), receiver_(std::move(receiver)) {}

  void cancel() {
    const std::lock_guard lock(mutex_);
    reply_to_ = nullptr;
  }

  /// In the look-up's thread. The lock keeps the dispatcher alive while work is posted to it: who
  /// ends it has cancelled before.
  static void answer(const QuestionPtr& question,
                     const std::shared_ptr<const Result<Addresses>>& answer) {
    const std::lock_guard lock(question->mutex_);
    if (question->reply_to_ == nullptr) return;
    question->reply_to_->post([question, answer] { question->receive(*answer); });
  }

 private:
  void receive(const Result<Addresses>& answer) {
    if (reply_to_ != nullptr) receiver_(answer);  // only this thread cancels
  }

  std::mutex mutex_;  // guards reply_to_
  Dispatcher* reply_to_;
  Receiver receiver_;
};

struct Resolver::State {
  State(std::string host_name, std::uint16_t port_number, LookUp how)
      : host(std::move(host_name)), port(port_number), look_up(std::move(how)) {}

  void run(Monotonic asked_at) {
    auto result = std::make_shared<const Result<Addresses>>(look_up(host, port));
    std::vector<QuestionPtr> questions;
    {
      const std::lock_guard lock(mutex);
      answer = result;
      answer_asked_at = asked_at;
      good_until = asked_at + (result->has_value() ? kLifetime : kFailureLifetime);
      running = false;
      questions.swap(waiting);
    }
    for (const QuestionPtr& question : questions) Question::answer(question, result);
  }

  const std::string host;
  const std::uint16_t port;
  const LookUp look_up;
  std::mutex mutex;  // guards what follows
  std::shared_ptr<const Result<Addresses>> answer;
  Monotonic answer_asked_at;
  Monotonic good_until;
  std::vector<QuestionPtr> waiting;
  bool running = false;
};

Result<Resolver::Addresses> Resolver::look_up(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  // Not AI_ADDRCONFIG: it hides localhost where only the loopback is up, and an address that cannot
  // be reached costs one attempt that fails at once.
  hints.ai_flags = AI_NUMERICSERV;
  if (IpBytes::parse(host)) hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (code == EAI_SYSTEM) return fail_system("look up " + host, errno);
  if (code != 0) return fail("look up " + host + ": " + ::gai_strerror(code));
  Addresses addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const SocketAddress address(one->ai_addr, one->ai_addrlen);
    if (address.is_ip()) addresses.push_back(address);
  }
  ::freeaddrinfo(found);
  if (addresses.empty()) return fail("look up " + host + ": no address");
  return addresses;
}

Resolver::Resolver(std::string host, std::uint16_t port, const Clock& clock, LookUp look_up)
    : clock_(clock), state_(std::make_shared<State>(std::move(host), port, std::move(look_up))) {
  if (!IpBytes::parse(state_->host)) return;
  state_->answer = std::make_shared<const Result<Addresses>>(state_->look_up(state_->host, port));
  state_->good_until = Monotonic::max();
}

std::shared_ptr<const Result<Resolver::Addresses>> Resolver::known() const {
  const std::lock_guard lock(state_->mutex);
  if (!state_->answer || state_->good_until <= clock_.now()) return nullptr;
  return state_->answer;
}

void Resolver::doubt() {
  const std::lock_guard lock(state_->mutex);
  if (!state_->answer || state_->good_until == Monotonic::max()) return;  // a literal stays
  state_->good_until = std::min(state_->good_until, state_->answer_asked_at + kFailureLifetime);
}

Resolver::QuestionPtr Resolver::ask(Dispatcher& reply_to, Receiver receiver) {
  auto question = std::make_shared<Question>(reply_to, std::move(receiver));
  const std::lock_guard lock(state_->mutex);
  if (state_->waiting.size() >= kMaxWaiting) return nullptr;
  if (!state_->running) {
    try {
      std::thread([state = state_, now = clock_.now()] { state->run(now); }).detach();
    } catch (const std::system_error&) {
      return nullptr;  // the process is at its limit of threads
    }
    state_->running = true;
  }
  state_->waiting.push_back(question);
  return question;
}

void Resolver::cancel(Question& question) { question.cancel(); }

}  // namespace netd
