// Random operations on the task queue and on the reference model, with refusing disks, crashes and
// restarts in between: the answers and the tasks must be the same. On a disk in memory, for the
// sake of many steps, and on netd's own stores, whose files are what a kill or a loss of power
// leaves.
//
// NETD_MODEL_STEPS sets the number of steps, NETD_MODEL_SEED repeats a run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "daemon/event/dispatcher.h"
#include "daemon/tasks/durable_task_service.h"
#include "tests/support/fake_clock.h"
#include "tests/support/log_capture.h"
#include "tests/unit/tasks/fake_store.h"
#include "tests/unit/tasks/model_ground.h"
#include "tests/unit/tasks/reference_model.h"

namespace netd::tasks {
namespace {

using netd::test::FakeClock;
using test::FakeGround;
using test::FilesGround;
using test::Ground;
using test::ManualCommitter;
using test::ReferenceModel;

constexpr std::uint64_t kQueueLimit = 12;
constexpr std::int64_t kResultTtl = 20'000;  // ms
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kDefaultSteps = 100'000;
#else
constexpr std::uint64_t kDefaultSteps = 1'000'000;
#endif

struct Variant {
  const char* name;
  SyncMode sync = SyncMode::always;
  std::uint64_t memory_limit = 1ULL << 30;
  bool refusals = true;  // of the disk
  bool crashes = true;
  std::uint64_t steps = kDefaultSteps;
  /// Of the journal of netd's own store; 0: SQLite alone; none: a disk in memory.
  std::optional<std::uint32_t> file_size{};
};

std::unique_ptr<Ground> make_ground(const Variant& variant, std::uint64_t seed) {
  if (!variant.file_size) return std::make_unique<FakeGround>();
  return std::make_unique<FilesGround>(*variant.file_size, seed);
}

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Duel {
 public:
  Duel(const Variant& variant, std::uint64_t seed)
      : variant_(variant),
        random_(seed),
        ground_(make_ground(variant, seed)),
        dispatcher_(std::move(Dispatcher::create(clock_).value())) {
    model_.queue_limit = kQueueLimit;
    model_.result_ttl = kResultTtl;
    start();
  }

  /// One random operation on both sides. False when they differ: see difference().
  bool step() {
    const std::string operation = random_operation();
    settle();
    model_.settle();
    if (!difference_.empty()) {
      difference_ = operation + ": " + difference_;
      return false;
    }
    if (told_ != model_.told) {
      difference_ = operation + ": parked consumers were told " + text(told_) +
                    ", the model says " + text(model_.told);
      return false;
    }
    told_.clear();
    model_.told.clear();
    if (chance(10) && dump() != model_.dump()) {
      difference_ = operation + ": the tasks are\n" + text(dump()) + "\nthe model says\n" +
                    text(model_.dump());
      return false;
    }
    return true;
  }
  [[nodiscard]] const std::string& difference() const { return difference_; }

 private:
  using Words = std::vector<std::string>;

  template <class Container>
  static std::string text(const Container& all) {
    std::string joined = "[";
    for (const std::string& one : all) joined += "\n  " + one;
    return joined + "]";
  }

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  std::string some_id() { return std::to_string(below(40)); }
  std::string some_queue() { return std::string(1, static_cast<char>('a' + below(3))); }

  void start() {
    TaskServiceSettings settings;
    settings.queue_limits.tasks = kQueueLimit;
    settings.sync = variant_.sync;
    settings.memory_limit = variant_.memory_limit;
    settings.result_ttl = milliseconds(kResultTtl);
    settings.gather = {};
    service_ = std::make_unique<DurableTaskService>(*dispatcher_, settings, 1);
    std::unique_ptr<Store> store = ground_->open();
    if (!service_->load(*store)) difference_ = "the store does not load";
    auto committer = std::make_unique<ManualCommitter>(std::move(store));
    committer_ = committer.get();
    service_->start(std::move(committer));
    holders_.clear();
    for (int i = 0; i < 3; ++i) holders_.push_back(service_->new_holder());
  }

  void settle() {
    for (int i = 0; i < 50; ++i) {
      dispatcher_->run_due_timers();
      if (committer_->idle()) {
        dispatcher_->run_due_timers();
        if (committer_->idle()) return;
      }
      committer_->commit();
    }
    difference_ = "it does not come to rest";
  }

  /// Compares once the answer is there.
  void expect(const std::string& right, const std::function<void(std::string&)>& call) {
    std::string answer = "unanswered";
    call(answer);
    settle();
    if (answer != right && difference_.empty()) {
      difference_ = "answered " + answer + ", the model says " + right;
    }
  }

  template <class T>
  static std::string word(const TaskResult<T>& answer) {
    return answer ? "ok" : std::string(error_code_name(answer.error().code));
  }

  std::string random_operation() {
    switch (below(26)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
        return produce();
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        return take();
      case 11:
      case 12:
        return done();
      case 13:
        return fail();
      case 14:
        return give_back();
      case 15:
        return touch();
      case 16:
        return kick();
      case 17:
        return erase();
      case 18:
        return pause();
      case 19:
      case 20:
      case 21:
        return advance();
      case 22:
        return release();
      case 23:
        return result();
      case 24:
        committer_->tidy();
        return "tidy";
      default:
        return misfortune();
    }
  }

  std::string produce() {
    ReferenceModel::ModelTask wanted;
    wanted.id = some_id();
    wanted.data = std::to_string(below(2));
    wanted.queue = some_queue();
    wanted.priority = static_cast<std::int32_t>(below(3)) - 1;
    wanted.max_attempts = static_cast<std::uint32_t>(below(4));
    const auto delay = chance(4) ? static_cast<std::int64_t>(below(3000)) : 0;
    const auto ttl = chance(4) ? static_cast<std::int64_t>(below(6000)) : 0;
    NewTask task;
    task.id = wanted.id;
    task.data = wanted.data;
    task.queue = wanted.queue;
    task.priority = wanted.priority;
    task.max_attempts = wanted.max_attempts;
    task.delay = milliseconds(delay);
    task.ttl = milliseconds(ttl);
    expect(model_.produce(wanted, delay, ttl), [&](std::string& answer) {
      service_->produce(std::move(task), [&answer](const TaskResult<Produced>& produced) {
        answer = !produced ? word(produced) : produced->duplicate ? "duplicate" : "queued";
      });
    });
    return "produce " + wanted.id;
  }

  std::string take() {
    ReferenceModel::Consumer consumer;
    consumer.name = "consumer" + std::to_string(++consumers_);
    consumer.queue = some_queue();
    if (!chance(4)) consumer.lease = 1 + static_cast<std::int64_t>(below(4000));
    const std::int64_t wait =
        chance(3) && !model_.disk_fails ? 1 + static_cast<std::int64_t>(below(3000)) : 0;
    consumer.deadline = model_.now + wait;
    if (chance(2)) consumer.holder = holders_[below(holders_.size())];
    consumer.bind = consumer.holder != 0 && consumer.lease && chance(2);
    const bool accept = model_.disk_full || !chance(10);
    TakeRequest request;
    request.queue = consumer.queue;
    if (consumer.lease) request.lease = milliseconds(*consumer.lease);
    request.wait = milliseconds(wait);
    request.holder = consumer.holder;
    request.bind = consumer.bind;
    const std::string right = model_.take(consumer, accept);
    expect(right == "parked" ? "unanswered" : right, [&](std::string& answer) {
      // Lives longer than this call where the consumer is parked: only then the answer goes to
      // told_.
      auto first = std::make_shared<std::string*>(right == "parked" ? nullptr : &answer);
      service_->take(std::move(request), [this, first, name = consumer.name,
                                          accept](const TaskResult<std::optional<Task>>& task) {
        const std::string said = !task ? word(task) : *task ? (*task)->id : "empty";
        if (*first == nullptr) {
          told_.insert(name + " " + said);
          return true;
        }
        **first = said;
        return accept;
      });
    });
    return "take " + consumer.queue;
  }

  std::string done() {
    const std::string id = some_id();
    std::optional<std::uint32_t> attempt;
    if (chance(3)) attempt = static_cast<std::uint32_t>(1 + below(2));
    const std::string result = chance(2) ? std::to_string(below(100)) : "";
    expect(model_.done(id, attempt, result), [&](std::string& answer) {
      service_->done({id, attempt}, result, [&](const auto& done) { answer = word(done); });
    });
    return "done " + id;
  }

  std::string result() {
    if (model_.disk_fails) return advance();  // a disk that takes nothing may still show something
    const std::string id = some_id();
    expect(model_.result(id), [&](std::string& answer) {
      service_->await_result(id, milliseconds(0), 0,
                             [&](const TaskResult<std::optional<std::string>>& result) {
                               answer = !result ? word(result) : result->value_or("not yet");
                             });
    });
    return "result " + id;
  }

  std::string fail() {
    const std::string id = some_id();
    const auto delay = static_cast<std::int64_t>(chance(2) ? 0 : below(3000));
    expect(model_.fail(id, delay), [&](std::string& answer) {
      service_->fail({id, {}}, milliseconds(delay),
                     [&](const auto& result) { answer = word(result); });
    });
    return "fail " + id;
  }

  std::string give_back() {
    const std::string id = some_id();
    const auto delay = static_cast<std::int64_t>(chance(2) ? 0 : below(3000));
    expect(model_.give_back(id, delay), [&](std::string& answer) {
      service_->give_back({id, {}}, milliseconds(delay),
                          [&](const auto& result) { answer = word(result); });
    });
    return "give_back " + id;
  }

  std::string touch() {
    const std::string id = some_id();
    const auto lease = 1 + static_cast<std::int64_t>(below(4000));
    expect(model_.touch(id, lease), [&](std::string& answer) {
      service_->touch({id, {}}, milliseconds(lease),
                      [&](const auto& result) { answer = word(result); });
    });
    return "touch " + id;
  }

  std::string kick() {
    if (chance(3)) {
      const std::string queue = some_queue();
      const std::size_t limit = 1 + below(4);
      expect(model_.kick_queue(queue, limit), [&](std::string& answer) {
        service_->kick_queue(queue, limit, [&](const TaskResult<std::size_t>& count) {
          answer = count ? std::to_string(*count) : word(count);
        });
      });
      return "kick queue " + queue;
    }
    const std::string id = some_id();
    expect(model_.kick(id), [&](std::string& answer) {
      service_->kick(id, [&](const auto& result) { answer = word(result); });
    });
    return "kick " + id;
  }

  std::string erase() {
    const std::string id = some_id();
    expect(model_.erase(id), [&](std::string& answer) {
      service_->erase(id, [&](const auto& result) { answer = word(result); });
    });
    return "erase " + id;
  }

  std::string pause() {
    const std::string queue = some_queue();
    const bool paused = chance(4);
    expect(model_.set_paused(queue, paused), [&](std::string& answer) {
      const auto callback = [&](const auto& result) { answer = word(result); };
      paused ? service_->pause(queue, callback) : service_->resume(queue, callback);
    });
    return (paused ? "pause " : "resume ") + queue;
  }

  std::string advance() {
    move_time(static_cast<std::int64_t>(chance(10) ? below(8000) : below(300)));
    return "advance";
  }
  void move_time(std::int64_t step) {
    model_.advance(step);
    clock_.advance(milliseconds(step));
    settle();
  }

  std::string release() {
    Holder& holder = holders_[below(holders_.size())];
    model_.release(holder);
    service_->release(holder);
    holder = service_->new_holder();
    return "release";
  }

  std::string misfortune() {
    if (model_.disk_fails || model_.disk_full) {
      ground_->set_failing(false);
      ground_->set_full(false);
      model_.disk_is_back();
      move_time(2000);
      return "disk is back";
    }
    if (variant_.refusals && chance(3) && !model_.anybody_parked()) {
      if (chance(2) && ground_->set_full(true)) {
        model_.disk_full = true;
        return "disk is full";
      }
      ground_->set_failing(true);
      model_.disk_fails = true;
      return "disk fails";
    }
    if (!chance(5)) return advance();
    if (variant_.crashes && chance(2)) return crash();
    model_.stop();
    service_.reset();
    start();
    model_.crash();
    return "restart";
  }

  /// What was asked for in the moment of the crash has no answer, and has happened or not.
  std::string crash() {
    ReferenceModel::ModelTask wanted;
    if (chance(2)) {
      wanted.id = std::to_string(1000 + consumers_++);
      wanted.data = "99";
      wanted.queue = some_queue();
      NewTask task;
      task.id = wanted.id;
      task.data = wanted.data;
      task.queue = wanted.queue;
      task.max_attempts = 0;
      service_->produce(std::move(task), [](const auto&) {});
      dispatcher_->run_due_timers();
      ground_->crash_within([this] { committer_->commit(); });
    } else {
      ground_->crash();
    }
    service_.reset();
    told_.clear();  // they are gone with it
    start();
    model_.crash();
    if (!wanted.id.empty() && is_there(wanted.id) && model_.produce(wanted, 0, 0) != "queued") {
      difference_ = "a task is there that was refused";
    }
    return "crash";
  }

  bool is_there(const std::string& id) {
    bool there = false;
    service_->peek(id, [&](const TaskResult<Task>& task) { there = task.has_value(); });
    settle();
    return there;
  }

  Words dump() {
    Words all;
    ListRequest request;
    request.limit = kMaxPage;
    service_->list(request, [&](const TaskResult<TaskPage>& page) {
      for (const Task& task : page->tasks) {
        all.push_back(task.id + " " + task.queue + " " + std::string(state_name(task.state)) + " " +
                      std::to_string(task.priority) + " " + std::to_string(task.attempt) + " " +
                      std::to_string(task.due_in.count()));
      }
    });
    return all;
  }

  const Variant variant_;
  std::mt19937_64 random_;
  std::unique_ptr<Ground> ground_;
  FakeClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<DurableTaskService> service_;
  ManualCommitter* committer_ = nullptr;
  std::vector<Holder> holders_;
  ReferenceModel model_;
  std::multiset<std::string> told_;
  std::uint64_t consumers_ = 0;
  std::string difference_;
};

class TaskModelTest : public ::testing::TestWithParam<Variant> {};

TEST_P(TaskModelTest, AnswersAsTheReferenceModelDoes) {
  const netd::test::LogCapture quiet(LogLevel::error);
  const std::uint64_t steps = from_environment("NETD_MODEL_STEPS", GetParam().steps);
  const std::uint64_t seed = from_environment("NETD_MODEL_SEED", std::random_device{}());
  Duel duel(GetParam(), seed);
  for (std::uint64_t step = 0; step < steps; ++step) {
    ASSERT_TRUE(duel.step()) << "step " << step << " with NETD_MODEL_SEED=" << seed << "\n"
                             << duel.difference();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Model, TaskModelTest,
    ::testing::Values(
        Variant{.name = "durable"},
        // So little that the data of most tasks is on the disk alone.
        Variant{.name = "short_of_memory",
                .memory_limit = 8000,
                .refusals = false,
                .steps = kDefaultSteps / 5},
        Variant{.name = "written_behind",
                .sync = SyncMode::off,
                .refusals = false,
                .crashes = false,
                .steps = kDefaultSteps / 5},
        Variant{.name = "tiny_journal", .steps = kDefaultSteps / 10, .file_size = 16U << 10U},
        Variant{.name = "journal_short_of_memory",
                .memory_limit = 8000,
                .refusals = false,
                .steps = kDefaultSteps / 40,
                .file_size = 64U << 10U},
        // SQLite has nothing to refuse where nothing changes.
        Variant{
            .name = "database", .refusals = false, .steps = kDefaultSteps / 40, .file_size = 0}),
    [](const auto& suite) { return suite.param.name; });

}  // namespace
}  // namespace netd::tasks
