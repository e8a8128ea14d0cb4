#include "daemon/tasks/journal_overlay.h"

#include <algorithm>

namespace netd::tasks {

void Overlay::apply(StoreOp::Kind kind, const Record& record, std::string_view text, Place where) {
  switch (kind) {
    case StoreOp::Kind::put:
      return put(record, where);
    case StoreOp::Kind::update:
      return update(record);
    case StoreOp::Kind::erase:
      return erase(record.seq);
    case StoreOp::Kind::pause:
    case StoreOp::Kind::resume:
      queues_.insert_or_assign(std::string(text), kind == StoreOp::Kind::pause);
      return;
    case StoreOp::Kind::put_result:
      results_.insert_or_assign(std::string(record.id),
                                ResultChange{.expires = record.expires, .where = where});
      return;
    case StoreOp::Kind::erase_results:
      return erase_results(record.expires);
    case StoreOp::Kind::probe:
    case StoreOp::Kind::read:
    case StoreOp::Kind::read_result:
      return;
  }
}

void Overlay::put(const Record& record, Place where) {
  const auto [found, fresh] = tasks_.try_emplace(record.seq);
  TaskChange& change = found->second;
  if (fresh) change.beneath = record.seq <= highest_beneath_;
  change.kind = TaskChange::Kind::put;
  change.where = where;
  change.attempt = record.attempt;
  change.dead = record.dead;
  change.ready_at = record.ready_at;
  change.expires = record.expires;
}

void Overlay::update(const Record& record) {
  const auto [found, fresh] = tasks_.try_emplace(record.seq);
  TaskChange& change = found->second;
  if (!fresh && change.kind == TaskChange::Kind::erase) return;
  change.attempt = record.attempt;
  change.dead = record.dead;
  change.ready_at = record.ready_at;
  change.expires = record.expires;
}

void Overlay::erase(std::uint64_t seq) {
  const auto [found, fresh] = tasks_.try_emplace(seq);
  if (!fresh && !found->second.beneath) {
    tasks_.erase(found);
    return;
  }
  found->second.kind = TaskChange::Kind::erase;
}

void Overlay::erase_results(std::int64_t end) {
  for (auto& [id, change] : results_) change.gone = change.gone || change.expires <= end;
  results_end_ = has_results_end_ ? std::max(results_end_, end) : end;
  has_results_end_ = true;
}

}  // namespace netd::tasks
