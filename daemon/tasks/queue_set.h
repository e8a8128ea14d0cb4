// All queues in memory: which task is where, and which is next. A state machine without disk,
// clock or threads; every operation takes O(log n) in the number of tasks.
//
// A task is in one of four states (TaskState). Besides, it may be held: something about it is on
// its way to the disk. A held task keeps its state but is in no queue, so it is neither handed out
// nor does its lease or delay run out until it is let go.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/tasks/indexed_heap.h"
#include "daemon/tasks/record.h"
#include "daemon/tasks/task.h"

namespace netd::tasks {

using QueueIndex = std::uint32_t;
inline constexpr QueueIndex kNoQueue = UINT32_MAX;
inline constexpr std::size_t kMaxQueues = 10'000;

/// What one task costs in memory, apart from its texts; a million of them wait at a time.
struct Entry {
  std::uint64_t seq = 0;
  std::int64_t created = 0;      // CLOCK_REALTIME, ms
  std::int64_t expires = 0;      // CLOCK_REALTIME, ms; 0: never
  Monotonic deadline;            // of the delay or the lease
  std::unique_ptr<char[]> text;  // the id, and behind it the data where it is in memory
  std::uint32_t hash = 0;        // of the id
  Slot next = kNoSlot;           // in the same bucket, or in the list of free slots
  std::uint32_t heap_at = kNoSlot;
  std::uint32_t expiry_at = kNoSlot;
  QueueIndex queue = kNoQueue;
  std::int32_t priority = 0;
  std::uint32_t attempt = 0;
  std::uint32_t max_attempts = 0;
  std::uint32_t data_size = 0;
  std::uint16_t id_size = 0;
  TaskState state = TaskState::ready;
  bool used : 1 = false;
  bool held : 1 = false;
  bool data_in_memory : 1 = false;
  bool on_disk : 1 = false;  // the disk has a row of it, or is about to
  bool dirty : 1 = false;    // the row is older than this

  [[nodiscard]] std::string_view id() const { return {text.get(), id_size}; }
  /// Empty where the data is only on the disk.
  [[nodiscard]] std::string_view data() const {
    return {text.get() + id_size, data_in_memory ? data_size : 0U};
  }
};

struct Lease {
  Monotonic since;  // when the task was handed out; touch leaves it
  milliseconds length{0};
  Holder holder = 0;
  bool bound = false;
};

class QueueSet {
 public:
  QueueSet() = default;
  QueueSet(const QueueSet&) = delete;
  QueueSet& operator=(const QueueSet&) = delete;

  // Tasks.

  /// kNoSlot when no live task has the id.
  [[nodiscard]] Slot find(std::string_view id) const;
  [[nodiscard]] const Entry& at(Slot slot) const { return chunks_[slot / kChunk][slot % kChunk]; }
  /// Whether the slot still holds the task of that seq.
  [[nodiscard]] bool lives(Slot slot, std::uint64_t seq) const;
  /// kNoSlot when no live task has the seq.
  [[nodiscard]] Slot find_seq(std::uint64_t seq) const;
  /// The number of tasks, in whatever state.
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] const std::string& queue_name(QueueIndex queue) const {
    return queues_[queue].name;
  }

  /// A new task; it is held. Its id must not be there, its seq must be higher than every one
  /// before.
  Slot add(const Record& record, TaskState state, Monotonic deadline, bool keep_data);
  /// Frees a held task.
  void remove(Slot slot);

  void hold(Slot slot);
  /// The task goes to the place that its state says.
  void let_go(Slot slot);

  // Transitions of held tasks and of others alike. None but leased() begins a lease, and each ends
  // it.
  void make_ready(Slot slot);
  void make_delayed(Slot slot, Monotonic until);
  void make_dead(Slot slot);
  void make_leased(Slot slot, Monotonic until, const Lease& lease);
  /// Of a leased task.
  void extend_lease(Slot slot, Monotonic until);
  [[nodiscard]] const Lease* lease_of(Slot slot) const;
  /// The tasks whose lease ends with this holder, in the order of production.
  [[nodiscard]] std::vector<Slot> bound_to(Holder holder) const;

  void set_attempt(Slot slot, std::uint32_t attempt) { entry(slot).attempt = attempt; }
  void set_expires(Slot slot, std::int64_t wall_ms);
  void set_on_disk(Slot slot, bool on_disk) { entry(slot).on_disk = on_disk; }
  void set_dirty(Slot slot, bool dirty) { entry(slot).dirty = dirty; }
  /// Frees the data's memory; the disk has it.
  void drop_data(Slot slot);
  /// The opposite: the disk has it no longer. Nothing happens where it is in memory.
  void keep_data(Slot slot, std::string_view data);

  // Queues. They come into being by their first task, consumer or pause and go with the last.

  /// kNoQueue when there is none of that name.
  [[nodiscard]] QueueIndex find_queue(std::string_view name) const;
  [[nodiscard]] std::size_t queue_count() const { return by_name_.size(); }
  /// The task that a consumer gets next; kNoSlot when none is ready or the queue is paused.
  [[nodiscard]] Slot next_ready(QueueIndex queue) const;
  /// The same whether the queue is paused or not.
  [[nodiscard]] Slot first_ready(QueueIndex queue) const { return queues_[queue].ready.top(); }
  /// Up to `limit` dead tasks that are not held, in the order of production.
  [[nodiscard]] std::vector<Slot> first_dead(QueueIndex queue, std::size_t limit) const;
  void set_paused(std::string_view name, bool paused);
  [[nodiscard]] bool paused(QueueIndex queue) const { return queues_[queue].paused; }
  /// Counts the parked consumers of a queue, which keep it alive. Adding makes the queue.
  QueueIndex add_waiting(std::string_view name);
  void remove_waiting(QueueIndex queue);
  [[nodiscard]] std::uint64_t tasks_of(QueueIndex queue) const;
  [[nodiscard]] std::uint64_t bytes_of(QueueIndex queue) const { return queues_[queue].bytes; }

  // Time.

  /// A task whose delay or lease is over by `now`; kNoSlot when there is none.
  [[nodiscard]] Slot next_due(Monotonic now) const;
  /// A ready or delayed task whose time to live is over by then.
  [[nodiscard]] Slot next_expired(std::int64_t wall_ms) const;
  [[nodiscard]] std::optional<Monotonic> next_deadline() const;
  [[nodiscard]] std::optional<std::int64_t> next_expiry() const;

  // Looking.

  /// Fills the page with up to `limit` tasks from the seq `request.after` on that match, and looks
  /// at no more than a bounded number of tasks for it.
  void list(const ListRequest& request, const std::function<void(Slot)>& visit,
            std::uint64_t& next) const;
  [[nodiscard]] std::vector<QueueStats> queue_stats() const;
  /// What counts against the memory limit.
  [[nodiscard]] std::uint64_t memory() const { return memory_; }
  /// What a task of these sizes adds to it.
  [[nodiscard]] static std::uint64_t cost(std::size_t text_bytes);

 private:
  static constexpr std::size_t kChunk = 1024;
  /// What tasks have taken is given back to the system when they go, from so many bytes on.
  static constexpr std::uint64_t kFlood = 32U << 20U;

  struct ReadyOrder {
    QueueSet* set;
    [[nodiscard]] bool before(Slot a, Slot b) const;
    [[nodiscard]] std::uint32_t& place(Slot slot) const { return set->entry(slot).heap_at; }
  };
  struct DeadOrder {
    QueueSet* set;
    [[nodiscard]] bool before(Slot a, Slot b) const;
    [[nodiscard]] std::uint32_t& place(Slot slot) const { return set->entry(slot).heap_at; }
  };
  struct DeadlineOrder {
    QueueSet* set;
    [[nodiscard]] bool before(Slot a, Slot b) const;
    [[nodiscard]] std::uint32_t& place(Slot slot) const { return set->entry(slot).heap_at; }
  };
  struct ExpiryOrder {
    QueueSet* set;
    [[nodiscard]] bool before(Slot a, Slot b) const;
    [[nodiscard]] std::uint32_t& place(Slot slot) const { return set->entry(slot).expiry_at; }
  };

  struct Queue {
    std::string name;
    IndexedHeap<ReadyOrder> ready;
    IndexedHeap<DeadOrder> dead;
    std::uint64_t count[4] = {};  // by TaskState, held ones included
    std::uint64_t bytes = 0;
    std::uint64_t waiting = 0;
    bool paused = false;
    bool used = false;
  };

  /// The order of production, for lists. Tasks that are gone leave a gap until there are as many
  /// gaps as tasks.
  struct Place {
    std::uint64_t seq;
    Slot slot;
  };

  [[nodiscard]] Entry& entry(Slot slot) { return chunks_[slot / kChunk][slot % kChunk]; }
  Slot allocate();
  void link(Slot slot);
  void unlink(Slot slot);
  void set_state(Slot slot, TaskState state, Monotonic deadline);
  void end_lease(Slot slot);
  void insert_in_buckets(Slot slot);
  void remove_from_buckets(Slot slot);
  void grow_buckets();
  void close_gaps();
  void end_flood();
  void free_everything();
  QueueIndex use_queue(std::string_view name);
  void drop_queue_if_unused(QueueIndex queue);

  std::vector<std::unique_ptr<Entry[]>> chunks_;
  Slot free_ = kNoSlot;
  std::size_t count_ = 0;
  std::vector<Slot> buckets_;  // by Entry::hash; a power of two
  std::vector<Place> order_;   // by seq
  std::uint64_t memory_ = 0;
  std::uint64_t most_memory_ = 0;  // that it was since it was last given back
  bool flooded_ = false;

  IndexedHeap<DeadlineOrder> deadlines_;  // delayed and leased tasks
  IndexedHeap<ExpiryOrder> expiries_;     // ready and delayed tasks that expire

  std::unordered_map<Slot, Lease> leases_;
  std::set<std::pair<Holder, Slot>> bound_;

  std::deque<Queue> queues_;  // names must not move: records show them
  std::vector<QueueIndex> free_queues_;
  std::map<std::string, QueueIndex, std::less<>> by_name_;
};

}  // namespace netd::tasks
