#include "daemon/tasks/queue_set.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <limits>

#include "daemon/base/spare_memory.h"

namespace netd::tasks {

namespace {

/// How many tasks one call of list() looks at.
constexpr std::size_t kListScan = 10'000;
constexpr std::size_t kFirstBuckets = 1024;
/// Besides the entry: its place in the buckets, in the order of production and in one heap, each
/// in a vector that may be half empty, and what malloc(3) adds to the texts.
constexpr std::uint64_t kIndexCost = 64;
constexpr std::uint64_t kQueueCost = 512;

std::uint32_t hash_of(std::string_view id) {
  return static_cast<std::uint32_t>(std::hash<std::string_view>{}(id));
}

constexpr std::size_t index_of(TaskState state) { return static_cast<std::size_t>(state); }

}  // namespace

bool QueueSet::ReadyOrder::before(Slot a, Slot b) const {
  const Entry& left = set->at(a);
  const Entry& right = set->at(b);
  if (left.priority != right.priority) return left.priority > right.priority;
  return left.seq < right.seq;
}

bool QueueSet::DeadOrder::before(Slot a, Slot b) const { return set->at(a).seq < set->at(b).seq; }

bool QueueSet::DeadlineOrder::before(Slot a, Slot b) const {
  const Entry& left = set->at(a);
  const Entry& right = set->at(b);
  if (left.deadline != right.deadline) return left.deadline < right.deadline;
  return left.seq < right.seq;
}

bool QueueSet::ExpiryOrder::before(Slot a, Slot b) const {
  const Entry& left = set->at(a);
  const Entry& right = set->at(b);
  if (left.expires != right.expires) return left.expires < right.expires;
  return left.seq < right.seq;
}

// Tasks.

Slot QueueSet::find(std::string_view id) const {
  if (buckets_.empty()) return kNoSlot;
  const std::uint32_t hash = hash_of(id);
  for (Slot slot = buckets_[hash & (buckets_.size() - 1)]; slot != kNoSlot; slot = at(slot).next) {
    if (at(slot).hash == hash && at(slot).id() == id) return slot;
  }
  return kNoSlot;
}

bool QueueSet::lives(Slot slot, std::uint64_t seq) const {
  return slot / kChunk < chunks_.size() && at(slot).used && at(slot).seq == seq;
}

Slot QueueSet::find_seq(std::uint64_t seq) const {
  const auto it = std::ranges::lower_bound(order_, seq, {}, &Place::seq);
  return it != order_.end() && it->seq == seq && lives(it->slot, seq) ? it->slot : kNoSlot;
}

std::uint64_t QueueSet::cost(std::size_t text_bytes) {
  return sizeof(Entry) + kIndexCost + text_bytes;
}

Slot QueueSet::allocate() {
  if (free_ == kNoSlot) {
    const Slot first = static_cast<Slot>(chunks_.size() * kChunk);
    chunks_.push_back(std::make_unique<Entry[]>(kChunk));
    for (std::size_t i = kChunk; i-- > 0;) {
      chunks_.back()[i].next = free_;
      free_ = first + static_cast<Slot>(i);
    }
  }
  const Slot slot = free_;
  free_ = at(slot).next;
  return slot;
}

Slot QueueSet::add(const Record& record, TaskState state, Monotonic deadline, bool keep_data) {
  assert(order_.empty() || order_.back().seq < record.seq);
  assert(state != TaskState::leased);
  const Slot slot = allocate();
  Entry& task = entry(slot);
  task = Entry{};
  task.seq = record.seq;
  task.created = record.created;
  task.expires = record.expires;
  task.deadline = deadline;
  const std::size_t kept = keep_data ? record.data.size() : 0;
  task.text = std::make_unique_for_overwrite<char[]>(record.id.size() + kept);
  std::memcpy(task.text.get(), record.id.data(), record.id.size());
  if (kept > 0) std::memcpy(task.text.get() + record.id.size(), record.data.data(), kept);
  task.hash = hash_of(record.id);
  task.priority = record.priority;
  task.attempt = record.attempt;
  task.max_attempts = record.max_attempts;
  task.data_size = static_cast<std::uint32_t>(record.data.size());
  task.id_size = static_cast<std::uint16_t>(record.id.size());
  task.state = state;
  task.used = true;
  task.held = true;
  task.data_in_memory = keep_data;
  task.queue = use_queue(record.queue);
  Queue& queue = queues_[task.queue];
  ++queue.count[index_of(state)];
  queue.bytes += record.id.size() + record.data.size();
  memory_ += cost(record.id.size() + kept);
  most_memory_ = std::max(most_memory_, memory_);
  flooded_ = flooded_ || memory_ >= kFlood;
  ++count_;
  insert_in_buckets(slot);
  order_.push_back({record.seq, slot});
  return slot;
}

void QueueSet::remove(Slot slot) {
  Entry& task = entry(slot);
  assert(task.used && task.held);
  end_lease(slot);
  remove_from_buckets(slot);
  Queue& queue = queues_[task.queue];
  --queue.count[index_of(task.state)];
  queue.bytes -= task.id_size + task.data_size;
  memory_ -= cost(task.id_size + (task.data_in_memory ? task.data_size : 0U));
  drop_queue_if_unused(task.queue);
  task.text.reset();
  task.used = false;
  task.next = free_;
  free_ = slot;
  --count_;
  if (count_ == 0) {
    free_everything();
  } else if (order_.size() > 2 * count_ + kChunk) {
    close_gaps();
  }
  const bool sinking = most_memory_ >= kFlood && memory_ < most_memory_ / 4;
  if (flooded_ && (sinking || count_ == 0)) end_flood();
}

/// Now and then while the tasks of a flood go, and when all are gone.
void QueueSet::end_flood() {
  give_spare_memory_back();
  most_memory_ = memory_;
  flooded_ = count_ > 0;
}

void QueueSet::close_gaps() {
  std::erase_if(order_, [this](const Place& place) { return !lives(place.slot, place.seq); });
  if (order_.size() < order_.capacity() / 4) order_.shrink_to_fit();
}

/// Gives the memory of a past flood back; the first chunk stays for what comes next.
void QueueSet::free_everything() {
  order_.clear();
  if (chunks_.size() <= 1) return;
  order_.shrink_to_fit();
  chunks_.clear();
  free_ = kNoSlot;
  buckets_.clear();
  buckets_.shrink_to_fit();
}

void QueueSet::drop_data(Slot slot) {
  Entry& task = entry(slot);
  if (!task.data_in_memory) return;
  auto shorter = std::make_unique_for_overwrite<char[]>(task.id_size);
  std::memcpy(shorter.get(), task.text.get(), task.id_size);
  task.text = std::move(shorter);
  task.data_in_memory = false;
  memory_ -= task.data_size;
}

void QueueSet::keep_data(Slot slot, std::string_view data) {
  Entry& task = entry(slot);
  if (task.data_in_memory) return;
  assert(data.size() == task.data_size);
  auto longer = std::make_unique_for_overwrite<char[]>(task.id_size + data.size());
  std::memcpy(longer.get(), task.text.get(), task.id_size);
  std::memcpy(longer.get() + task.id_size, data.data(), data.size());
  task.text = std::move(longer);
  task.data_in_memory = true;
  memory_ += data.size();
}

void QueueSet::insert_in_buckets(Slot slot) {
  if (count_ > buckets_.size()) grow_buckets();
  Slot& head = buckets_[entry(slot).hash & (buckets_.size() - 1)];
  entry(slot).next = head;
  head = slot;
}

void QueueSet::remove_from_buckets(Slot slot) {
  Slot* link = &buckets_[at(slot).hash & (buckets_.size() - 1)];
  while (*link != slot) link = &entry(*link).next;
  *link = at(slot).next;
}

void QueueSet::grow_buckets() {
  const std::size_t size = std::max(kFirstBuckets, std::bit_ceil(count_) * 2);
  std::vector<Slot> grown(size, kNoSlot);
  for (const Slot first : buckets_) {
    for (Slot slot = first; slot != kNoSlot;) {
      const Slot next = at(slot).next;
      Slot& head = grown[at(slot).hash & (size - 1)];
      entry(slot).next = head;
      head = slot;
      slot = next;
    }
  }
  buckets_.swap(grown);
}

// States.

void QueueSet::link(Slot slot) {
  const Entry& task = at(slot);
  switch (task.state) {
    case TaskState::ready:
      queues_[task.queue].ready.push(slot, {this});
      break;
    case TaskState::delayed:
    case TaskState::leased:
      deadlines_.push(slot, {this});
      break;
    case TaskState::dead:
      queues_[task.queue].dead.push(slot, {this});
      break;
  }
  if (task.expires != 0 && (task.state == TaskState::ready || task.state == TaskState::delayed)) {
    expiries_.push(slot, {this});
  }
}

void QueueSet::unlink(Slot slot) {
  const Entry& task = at(slot);
  switch (task.state) {
    case TaskState::ready:
      queues_[task.queue].ready.erase(slot, {this});
      break;
    case TaskState::delayed:
    case TaskState::leased:
      deadlines_.erase(slot, {this});
      break;
    case TaskState::dead:
      queues_[task.queue].dead.erase(slot, {this});
      break;
  }
  if (task.expiry_at != kNoSlot) expiries_.erase(slot, {this});
}

void QueueSet::hold(Slot slot) {
  assert(!at(slot).held);
  unlink(slot);
  entry(slot).held = true;
}

void QueueSet::let_go(Slot slot) {
  assert(at(slot).held);
  entry(slot).held = false;
  link(slot);
}

void QueueSet::set_state(Slot slot, TaskState state, Monotonic deadline) {
  Entry& task = entry(slot);
  if (!task.held) unlink(slot);
  if (task.state == TaskState::leased) end_lease(slot);
  Queue& queue = queues_[task.queue];
  --queue.count[index_of(task.state)];
  ++queue.count[index_of(state)];
  task.state = state;
  task.deadline = deadline;
  if (!task.held) link(slot);
}

void QueueSet::make_ready(Slot slot) { set_state(slot, TaskState::ready, {}); }

void QueueSet::make_delayed(Slot slot, Monotonic until) {
  set_state(slot, TaskState::delayed, until);
}

void QueueSet::make_dead(Slot slot) { set_state(slot, TaskState::dead, {}); }

void QueueSet::make_leased(Slot slot, Monotonic until, const Lease& lease) {
  set_state(slot, TaskState::leased, until);
  leases_.insert_or_assign(slot, lease);
  if (lease.bound) bound_.emplace(lease.holder, slot);
}

void QueueSet::extend_lease(Slot slot, Monotonic until) {
  assert(at(slot).state == TaskState::leased);
  const bool held = at(slot).held;
  if (!held) unlink(slot);
  entry(slot).deadline = until;
  if (!held) link(slot);
}

const Lease* QueueSet::lease_of(Slot slot) const {
  const auto found = leases_.find(slot);
  return found == leases_.end() ? nullptr : &found->second;
}

void QueueSet::end_lease(Slot slot) {
  const auto found = leases_.find(slot);
  if (found == leases_.end()) return;
  if (found->second.bound) bound_.erase({found->second.holder, slot});
  leases_.erase(found);
}

std::vector<Slot> QueueSet::bound_to(Holder holder) const {
  std::vector<Slot> slots;
  for (auto it = bound_.lower_bound({holder, 0}); it != bound_.end() && it->first == holder; ++it) {
    slots.push_back(it->second);
  }
  std::ranges::sort(slots, {}, [this](Slot slot) { return at(slot).seq; });
  return slots;
}

void QueueSet::set_expires(Slot slot, std::int64_t wall_ms) {
  const bool held = at(slot).held;
  if (!held) unlink(slot);
  entry(slot).expires = wall_ms;
  if (!held) link(slot);
}

// Queues.

QueueIndex QueueSet::find_queue(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? kNoQueue : found->second;
}

QueueIndex QueueSet::use_queue(std::string_view name) {
  if (const QueueIndex found = find_queue(name); found != kNoQueue) return found;
  QueueIndex index = 0;
  if (free_queues_.empty()) {
    index = static_cast<QueueIndex>(queues_.size());
    queues_.emplace_back();
  } else {
    index = free_queues_.back();
    free_queues_.pop_back();
  }
  queues_[index].name = name;
  queues_[index].used = true;
  by_name_.emplace(name, index);
  memory_ += kQueueCost;
  return index;
}

void QueueSet::drop_queue_if_unused(QueueIndex index) {
  Queue& queue = queues_[index];
  if (queue.paused || queue.waiting > 0 || tasks_of(index) > 0) return;
  by_name_.erase(queue.name);
  queue = Queue{};
  free_queues_.push_back(index);
  memory_ -= kQueueCost;
}

std::uint64_t QueueSet::tasks_of(QueueIndex queue) const {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : queues_[queue].count) sum += count;
  return sum;
}

Slot QueueSet::next_ready(QueueIndex queue) const {
  return queues_[queue].paused ? kNoSlot : queues_[queue].ready.top();
}

std::vector<Slot> QueueSet::first_dead(QueueIndex queue, std::size_t limit) const {
  std::vector<Slot> slots = queues_[queue].dead.slots();
  limit = std::min(limit, slots.size());
  const auto by_seq = [this](Slot a, Slot b) { return at(a).seq < at(b).seq; };
  std::partial_sort(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(limit), slots.end(),
                    by_seq);
  slots.resize(limit);
  return slots;
}

void QueueSet::set_paused(std::string_view name, bool paused) {
  if (!paused && find_queue(name) == kNoQueue) return;
  const QueueIndex queue = use_queue(name);
  queues_[queue].paused = paused;
  drop_queue_if_unused(queue);
}

QueueIndex QueueSet::add_waiting(std::string_view name) {
  const QueueIndex queue = use_queue(name);
  ++queues_[queue].waiting;
  return queue;
}

void QueueSet::remove_waiting(QueueIndex queue) {
  --queues_[queue].waiting;
  drop_queue_if_unused(queue);
}

// Time.

Slot QueueSet::next_due(Monotonic now) const {
  const Slot slot = deadlines_.top();
  return slot != kNoSlot && at(slot).deadline <= now ? slot : kNoSlot;
}

Slot QueueSet::next_expired(std::int64_t wall_ms) const {
  const Slot slot = expiries_.top();
  return slot != kNoSlot && at(slot).expires <= wall_ms ? slot : kNoSlot;
}

std::optional<Monotonic> QueueSet::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return at(deadlines_.top()).deadline;
}

std::optional<std::int64_t> QueueSet::next_expiry() const {
  if (expiries_.empty()) return std::nullopt;
  return at(expiries_.top()).expires;
}

// Looking.

void QueueSet::list(const ListRequest& request, const std::function<void(Slot)>& visit,
                    std::uint64_t& next) const {
  next = 0;
  QueueIndex queue = kNoQueue;
  if (request.queue) {
    queue = find_queue(*request.queue);
    if (queue == kNoQueue) return;
  }
  auto it = std::lower_bound(order_.begin(), order_.end(), request.after,
                             [](const Place& place, std::uint64_t seq) { return place.seq < seq; });
  const std::size_t limit = std::clamp<std::size_t>(request.limit, 1, kMaxPage);
  std::size_t found = 0;
  for (std::size_t looked_at = 0; it != order_.end(); ++it, ++looked_at) {
    if (looked_at == kListScan) {
      next = it->seq;
      return;
    }
    if (!lives(it->slot, it->seq)) continue;
    const Entry& task = at(it->slot);
    if (task.held && !task.on_disk) continue;  // its producer has no answer yet
    if (queue != kNoQueue && task.queue != queue) continue;
    if (request.state && task.state != *request.state) continue;
    if (found == limit) {
      next = it->seq;
      return;
    }
    ++found;
    visit(it->slot);
  }
}

std::vector<QueueStats> QueueSet::queue_stats() const {
  std::vector<QueueStats> all;
  all.reserve(by_name_.size());
  for (const auto& [name, index] : by_name_) {
    const Queue& queue = queues_[index];
    QueueStats& stats = all.emplace_back();
    stats.name = name;
    stats.ready = queue.count[index_of(TaskState::ready)];
    stats.delayed = queue.count[index_of(TaskState::delayed)];
    stats.leased = queue.count[index_of(TaskState::leased)];
    stats.dead = queue.count[index_of(TaskState::dead)];
    stats.waiting = queue.waiting;
    stats.bytes = queue.bytes;
    stats.paused = queue.paused;
  }
  return all;
}

}  // namespace netd::tasks
