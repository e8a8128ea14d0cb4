#include "daemon/protocols/capture/capture_file.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace netd::capture {

CaptureFile::CaptureFile(ThreadPool& pool, std::shared_ptr<Folder> folder, std::string name,
                         std::function<void()> on_progress)
    : pool_(pool),
      folder_(std::move(folder)),
      name_(std::move(name)),
      on_progress_(std::move(on_progress)) {}

CaptureFile::~CaptureFile() {
  if (draft_) folder_->discard(std::move(*draft_));
}

bool CaptureFile::append(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  pending_ += bytes;
  return schedule();
}

bool CaptureFile::end(Ending ending) {
  const std::lock_guard lock(mutex_);
  if (!ending_) ending_ = ending;
  return schedule();
}

void CaptureFile::detach() {
  const std::lock_guard lock(mutex_);
  on_progress_ = nullptr;
}

CaptureFile::Progress CaptureFile::progress() const {
  const std::lock_guard lock(mutex_);
  return {.backlog = pending_.size() + writing_, .finished = finished_, .error = error_};
}

bool CaptureFile::schedule() {
  if (scheduled_ || finished_) return true;
  scheduled_ = pool_.submit([self = shared_from_this()] { self->work(); });
  return scheduled_;
}

/// One round: what is pending, or the ending. The next round queues up again behind the others, so
/// that one fast sender does not keep a thread to itself.
void CaptureFile::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    const std::string bytes = std::exchange(pending_, {});
    const bool ends = bytes.empty() && ending_.has_value();
    const Ending ending = ending_.value_or(Ending::discarded);
    writing_ = bytes.size();
    lock.unlock();
    const Result<void> result = ends ? finish(ending) : write(bytes);
    lock.lock();
    writing_ = 0;
    finished_ = ends;
    settle(result);
    if (on_progress_) on_progress_();
    scheduled_ = false;
    if (finished_ || (pending_.empty() && !ending_)) return;
    if (schedule()) return;
    scheduled_ = true;  // no room in the queue: go on here
  }
}

void CaptureFile::settle(const Result<void>& result) {
  if (result) return;
  error_ = result.error();
  finished_ = true;
  pending_ = {};
}

Result<void> CaptureFile::write(std::string_view bytes) {
  if (!draft_) {
    auto draft = folder_->begin(name_);
    if (!draft) {
      folder_->report_failure(draft.error());
      return std::unexpected(draft.error());
    }
    draft_ = std::move(*draft);
  }
  while (!bytes.empty()) {
    const ssize_t count = ::write(draft_->fd.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const Error error = system_error("write in " + folder_->path(), errno);
      folder_->report_failure(error);
      folder_->discard(std::move(*draft_));
      draft_.reset();
      return std::unexpected(error);
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> CaptureFile::finish(Ending ending) {
  if (!draft_) return {};
  Draft draft = std::move(*draft_);
  draft_.reset();
  if (ending == Ending::discarded) {
    folder_->discard(std::move(draft));
    return {};
  }
  const bool complete = ending == Ending::complete;
  const auto kept = folder_->keep(std::move(draft), complete ? name_ : name_ + ".incomplete");
  if (!kept) {
    folder_->report_failure(kept.error());
    return std::unexpected(kept.error());
  }
  folder_->report_success();
  return {};
}

}  // namespace netd::capture
