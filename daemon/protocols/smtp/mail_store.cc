#include "daemon/protocols/smtp/mail_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <set>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/base/unnamed_file.h"
#include "daemon/protocols/smtp/courier.h"

namespace netd::smtp {

namespace {

constexpr std::size_t kThreads = 4;
/// While one thread waits for the disk, another gathers the next group; more of them only make the
/// groups smaller.
constexpr std::size_t kMaxCommits = 2;
/// How many messages one commit holds up at most.
constexpr std::size_t kMaxBatch = 64;
/// Mailboxes that the store remembers to have prepared.
constexpr std::size_t kMaxMailboxes = 8192;
constexpr mode_t kFileMode = 0660;  // less the umask
/// Folders that are open at once while they are synced.
constexpr std::size_t kMaxFolders = 64;
constexpr std::size_t kCopyStep = std::size_t{1} << 20;

bool disk_is_full(int error) { return error == ENOSPC || error == EDQUOT; }

int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return EIO;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

int copy_bytes(int from, int to) {
  while (true) {
    const ssize_t copied = ::copy_file_range(from, nullptr, to, nullptr, kCopyStep, 0);
    if (copied == 0) return 0;
    if (copied > 0) continue;
    if (errno == EINTR) continue;
    if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) return errno;
    break;
  }
  std::string buffer(std::size_t{64} << 10, '\0');
  while (true) {
    const ssize_t got = ::read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return 0;
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    if (const int error = write_all(to, bytes); error != 0) return error;
  }
}

/// The delivery's file from its start on; none and errno.
UniqueFd open_again(const Delivery& delivery) {
  if (!delivery.tmp_path.empty()) {
    return UniqueFd(::open(delivery.tmp_path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  UniqueFd file(::fcntl(delivery.file.get(), F_DUPFD_CLOEXEC, 0));
  if (file && ::lseek(file.get(), 0, SEEK_SET) != 0) file.reset();
  return file;
}

bool has_failed(const Delivery* delivery) { return delivery->outcome != StoreOutcome::done; }

}  // namespace

struct MailStore::Mailbox {
  std::mutex preparing;  // held while its folders are made; guards prepared
  bool prepared = false;
};

Result<std::shared_ptr<MailStore>> MailStore::create(Options options, const Clock& clock) {
  if (auto made = make_root(options.root); !made) return std::unexpected(made.error());
  if (::access(options.root.c_str(), R_OK | W_OK | X_OK) != 0) {
    return fail_system("maildir " + options.root, errno);
  }
  // Shared by the workers' sessions and by the next generation of the listener's settings.
  return std::shared_ptr<MailStore>(new MailStore(std::move(options), clock));
}

MailStore::MailStore(Options options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      names_(clock, options_.hostname),
      housekeeper_(std::make_unique<Housekeeper>(options_.root, options_.listener,
                                                 options_.retention, names_, clock)),
      unnamed_(!options_.sync),
      disk_(clock),
      threads_("netd-mail", kThreads, kThreads + 1) {
  if (options_.quota != 0) quota_ = std::make_unique<QuotaBook>(options_.root, options_.quota);
}

MailStore::~MailStore() = default;

void MailStore::submit(std::span<std::unique_ptr<Delivery>> deliveries) {
  {
    const std::lock_guard lock(queue_mutex_);
    for (std::unique_ptr<Delivery>& delivery : deliveries) queue_.push_back(std::move(delivery));
    // One thread is woken at a time, and wakes the next itself: by then the queue has grown.
    if (waking_ || busy_ == kThreads) return;
    ++busy_;
    waking_ = true;
  }
  wake_one();
}

/// busy_ and waking_ count the thread already.
void MailStore::wake_one() {
  if (threads_.submit([this] { work(); })) return;
  // No thread could be started. Those that run take it; without any, this one has to.
  {
    const std::lock_guard lock(queue_mutex_);
    waking_ = false;
    if (--busy_ > 0) return;
    ++busy_;
    waking_ = true;
  }
  work();
}

void MailStore::work() {
  Batch batch;
  bool to_commit = false;
  bool first = true;
  while (true) {
    bool wake_next = false;
    {
      const std::lock_guard lock(queue_mutex_);
      if (first) waking_ = false;
      first = false;
      if (to_commit) --committing_;
      to_commit = false;
      if (!take_work(batch, to_commit)) {
        --busy_;
        return;
      }
      wake_next = !queue_.empty() && !waking_ && busy_ < kThreads;
      if (wake_next) {
        waking_ = true;
        ++busy_;
      }
    }
    if (wake_next) wake_one();
    if (to_commit) {
      commit(batch);
      bring_back(batch);
    } else {
      write(batch);
    }
    batch.clear();
  }
}

/// Writing comes first: it makes the group larger.
bool MailStore::take_work(Batch& batch, bool& to_commit) {
  if (!queue_.empty() && written_.size() < kMaxBatch) {
    const std::size_t count = std::min(queue_.size(), kMaxBatch - written_.size());
    const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
    std::move(queue_.begin(), end, std::back_inserter(batch));
    queue_.erase(queue_.begin(), end);
    return true;
  }
  // Whoever commits comes back for what is written meanwhile.
  if (written_.empty() || committing_ == kMaxCommits) return false;
  ++committing_;
  to_commit = true;
  batch.swap(written_);
  return true;
}

/// Chunks do not wait for the commit of others.
void MailStore::write(Batch& batch) {
  const auto complete = std::ranges::stable_partition(
      batch, [this](const std::unique_ptr<Delivery>& delivery) { return !run_step(*delivery); });
  {
    const std::lock_guard lock(queue_mutex_);
    std::ranges::move(complete, std::back_inserter(written_));
  }
  batch.erase(complete.begin(), batch.end());
  bring_back(batch);
}

/// Whether the delivery is complete now, and to be committed.
bool MailStore::run_step(Delivery& delivery) {
  if (delivery.give_up) {
    remove_traces(delivery);
    return false;
  }
  if (const int error = write_chunk(delivery); error != 0) {
    roll_back(delivery, error, "write");
    return false;
  }
  return delivery.last;
}

void MailStore::bring_back(Batch& batch) {
  std::erase_if(batch, [](const std::unique_ptr<Delivery>& delivery) { return delivery->give_up; });
  for (std::unique_ptr<Delivery>& delivery : batch) {
    if (!delivery) continue;
    const std::shared_ptr<Courier> courier = delivery->courier;
    courier->bring_back(std::span(&delivery, batch.data() + batch.size()));
  }
}

/// Order is what makes it safe: the text is on disk before a name in new/ says that it is there,
/// and the name is on disk before anybody is told.
void MailStore::commit(Batch& batch) {
  std::vector<Delivery*> deliveries;
  deliveries.reserve(batch.size());
  for (const std::unique_ptr<Delivery>& delivery : batch) deliveries.push_back(delivery.get());
  if (options_.sync) sync_files(deliveries);
  prepare_together(deliveries);
  place_all(deliveries);
  if (options_.sync) sync_folders(deliveries);
  if (deliveries.empty()) return;
  note_success();
  for (Delivery* delivery : deliveries) settle_room(*delivery, true);
}

void MailStore::sync_files(std::vector<Delivery*>& deliveries) {
  std::vector<int> files;
  files.reserve(deliveries.size());
  for (const Delivery* delivery : deliveries) files.push_back(delivery->file.get());
  std::vector<int> errors(files.size());
  disk_.sync(files, errors);
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (errors[i] != 0) roll_back(*deliveries[i], errors[i], "fsync");
  }
  std::erase_if(deliveries, has_failed);
}

void MailStore::place_all(std::vector<Delivery*>& deliveries) {
  for (Delivery* delivery : deliveries) {
    if (!reserve_room(*delivery)) {
      remove_traces(*delivery);
      delivery->outcome = StoreOutcome::mailbox_full;
    } else if (const int error = place(*delivery); error != 0) {
      roll_back(*delivery, error, "link");
    }
  }
  std::erase_if(deliveries, has_failed);
}

/// Each folder once, whatever the number of messages that were given a name in it.
void MailStore::sync_folders(std::vector<Delivery*>& deliveries) {
  std::vector<std::string_view> names;
  for (const Delivery* delivery : deliveries) {
    names.insert(names.end(), delivery->mailboxes.begin(), delivery->mailboxes.end());
  }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  std::vector<std::string> paths;
  paths.reserve(names.size());
  for (const std::string_view name : names) paths.push_back(path(name, "/new", ""));
  const std::vector<int> errors = sync_paths(paths);
  for (Delivery* delivery : deliveries) {
    for (const std::string& name : delivery->mailboxes) {
      const auto at = std::ranges::lower_bound(names, std::string_view(name)) - names.begin();
      const int error = errors[static_cast<std::size_t>(at)];
      if (error == 0) continue;
      roll_back(*delivery, error, "fsync of new/");
      break;
    }
  }
  std::erase_if(deliveries, has_failed);
}

/// 0 or errno of each.
std::vector<int> MailStore::sync_paths(std::span<const std::string> folders) {
  std::vector<int> errors(folders.size());
  for (std::size_t at = 0; at < folders.size(); at += kMaxFolders) {
    const std::size_t count = std::min(folders.size() - at, kMaxFolders);
    sync_paths(folders.subspan(at, count), std::span(errors).subspan(at, count));
  }
  return errors;
}

void MailStore::sync_paths(std::span<const std::string> paths, std::span<int> errors) {
  std::vector<UniqueFd> folders;
  std::vector<int> opened;
  std::vector<std::size_t> places;  // of those in `errors`
  for (std::size_t i = 0; i < paths.size(); ++i) {
    UniqueFd folder(::open(paths[i].c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) {
      errors[i] = errno;
      continue;
    }
    opened.push_back(folder.get());
    folders.push_back(std::move(folder));
    places.push_back(i);
  }
  std::vector<int> results(opened.size());
  disk_.sync(opened, results);
  for (std::size_t i = 0; i < opened.size(); ++i) errors[places[i]] = results[i];
}

/// In all of its mailboxes; what it got before one that has none goes with its traces.
bool MailStore::reserve_room(Delivery& delivery) {
  if (!quota_) return true;
  return std::ranges::all_of(delivery.mailboxes, [&](const std::string& name) {
    const bool fits = quota_->reserve(name, delivery.size, clock_.now());
    if (fits) ++delivery.reserved;
    return fits;
  });
}

void MailStore::settle_room(Delivery& delivery, bool stored) {
  const std::size_t count = std::exchange(delivery.reserved, 0);
  for (const std::string& name : std::span(delivery.mailboxes).first(count)) {
    quota_->settle(name, delivery.size, stored);
  }
}

bool MailStore::is_full(const std::string& mailbox_name, std::uint64_t size) {
  if (!quota_ || !quota_->was_full(mailbox_name, size, clock_.now())) return false;
  // Its owner may have made room: whoever asks next hears of it.
  if (quota_->is_stale(mailbox_name, clock_.now()) && !recounting_.exchange(true)) {
    const bool asked = threads_.submit([this, name = mailbox_name] {
      quota_->recount(name, clock_.now());
      recounting_ = false;
    });
    if (!asked) recounting_ = false;
  }
  return true;
}

int MailStore::write_chunk(Delivery& delivery) {
  if (!delivery.file) {
    if (const int error = open_file(delivery); error != 0) return error;
  }
  const int error = write_all(delivery.file.get(), delivery.chunk);
  delivery.size += delivery.chunk.size();
  delivery.chunk.clear();
  return error;
}

int MailStore::open_file(Delivery& delivery) {
  for (const bool again : {false, true}) {
    if (const int unprepared = prepare(delivery.mailboxes.front(), again); unprepared != 0) {
      return unprepared;
    }
    const int error = create_file(delivery);
    // Somebody removed the mailbox since it was prepared: it is made anew, once.
    if (error != ENOENT) return error;
  }
  return ENOENT;
}

/// What need not be durable needs no name before it is complete: that is one change to a folder
/// instead of three, and nothing for a crash to leave behind. Durable mail has its name in tmp/
/// from the start, because fsync(2) of a file without one does not promise that its first name,
/// too, finds the file after a power cut.
int MailStore::create_file(Delivery& delivery) {
  const std::string& first = delivery.mailboxes.front();
  if (unnamed_) {
    delivery.file = open_unnamed(path(first, "/tmp", ""), O_RDWR, kFileMode);
    if (delivery.file) return 0;
    if (!has_no_unnamed(errno)) return errno;
    unnamed_ = false;
  }
  std::string name = path(first, "/tmp/", UniqueNames::in_tmp(delivery.file_name));
  delivery.file.reset(
      ::open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!delivery.file) return errno;
  delivery.tmp_path = std::move(name);
  return 0;
}

/// Gives the complete file its name in new/ of every mailbox.
int MailStore::place(Delivery& delivery) {
  const std::string file = delivery.file_name + ",S=" + std::to_string(delivery.size);
  const bool moves = delivery.mailboxes.size() == 1 && !delivery.tmp_path.empty();
  for (const std::string& mailbox : delivery.mailboxes) {
    std::string target = path(mailbox, "/new/", file);
    int error = 0;
    for (const bool again : {false, true}) {
      error = prepare(mailbox, again);
      if (error != 0) return error;
      error = moves ? rename_new(delivery.tmp_path, target) : place_copy(delivery, mailbox, target);
      if (error != ENOENT) break;
    }
    if (error != 0) return error;
    delivery.placed.push_back(std::move(target));
  }
  // All names are there; that one in tmp/ stays is no reason to refuse the message.
  if (!moves && !delivery.tmp_path.empty()) ::unlink(delivery.tmp_path.c_str());
  delivery.tmp_path.clear();
  delivery.file.reset();
  return 0;
}

int MailStore::place_copy(const Delivery& delivery, const std::string& mailbox,
                          const std::string& target) {
  int error = 0;
  if (delivery.tmp_path.empty()) {
    error = link_unnamed(delivery.file.get(), target);
  } else if (::link(delivery.tmp_path.c_str(), target.c_str()) != 0) {
    error = errno;
  }
  if (!cannot_link(error)) return error;
  return copy_file(delivery, mailbox, target);
}

int MailStore::copy_file(const Delivery& delivery, const std::string& mailbox,
                         const std::string& target) {
  const UniqueFd from = open_again(delivery);
  if (!from) return errno;
  const std::string tmp = path(mailbox, "/tmp/", UniqueNames::in_tmp(names_.next().file));
  UniqueFd to(::open(tmp.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!to) return errno;
  int error = copy_bytes(from.get(), to.get());
  if (error == 0 && options_.sync && ::fsync(to.get()) != 0) error = errno;
  if (error == 0) error = rename_new(tmp, target);
  if (error != 0) ::unlink(tmp.c_str());
  return error;
}

void MailStore::roll_back(Delivery& delivery, int error, std::string_view doing) {
  remove_traces(delivery);
  delivery.outcome = disk_is_full(error) ? StoreOutcome::disk_full : StoreOutcome::failed;
  note_failure(error, std::string(doing) + ' ' + options_.root + '/' + delivery.mailboxes.front());
}

void MailStore::remove_traces(Delivery& delivery) {
  settle_room(delivery, false);
  delivery.file.reset();
  for (const std::string& copy : delivery.placed) ::unlink(copy.c_str());
  delivery.placed.clear();
  if (!delivery.tmp_path.empty()) ::unlink(delivery.tmp_path.c_str());
  delivery.tmp_path.clear();
}

std::shared_ptr<MailStore::Mailbox> MailStore::mailbox(const std::string& name) {
  const std::lock_guard lock(mailboxes_mutex_);
  auto found = mailboxes_.find(name);
  if (found != mailboxes_.end()) return found->second;
  if (mailboxes_.size() >= kMaxMailboxes) {
    std::erase_if(mailboxes_, [](const auto& entry) { return entry.second.use_count() == 1; });
  }
  auto made = std::make_shared<Mailbox>();
  mailboxes_.emplace(name, made);
  return made;
}

/// Sees to it that the folders are there and on disk; once for each mailbox, or `again`.
int MailStore::prepare(const std::string& mailbox_name, bool again) {
  const std::shared_ptr<Mailbox> box = mailbox(mailbox_name);
  const std::lock_guard lock(box->preparing);
  if (box->prepared && !again) return 0;
  box->prepared = false;
  auto made = make_mailbox(options_.root, mailbox_name, options_.sync);
  if (!made && made.error().code() == ENOENT) {
    made = make_root(options_.root);
    if (made) made = make_mailbox(options_.root, mailbox_name, options_.sync);
  }
  if (!made) return made.error().code();
  box->prepared = true;
  return 0;
}

/// The mailboxes of a group that are new: one by one each would wait for three syncs. What fails
/// here is tried again, and told, by prepare().
void MailStore::prepare_together(const std::vector<Delivery*>& deliveries) {
  std::set<std::string_view> names;
  for (const Delivery* delivery : deliveries) {
    if (delivery->mailboxes.size() > 1) {
      names.insert(delivery->mailboxes.begin(), delivery->mailboxes.end());
    }
  }
  std::vector<std::shared_ptr<Mailbox>> made;
  std::set<std::string> folders;
  for (const std::string_view name : names) {
    std::shared_ptr<Mailbox> box = mailbox(std::string(name));
    const std::lock_guard lock(box->preparing);
    if (box->prepared || !make_mailbox(options_.root, name, false)) continue;
    made.push_back(std::move(box));
    folders.insert(
        {options_.root, path(name.substr(0, name.find('/')), "", ""), path(name, "", "")});
  }
  if (made.empty()) return;
  if (options_.sync) {
    const std::vector<std::string> paths(folders.begin(), folders.end());
    const auto failed = [](int error) { return error != 0; };
    if (std::ranges::any_of(sync_paths(paths), failed)) return;
  }
  for (const std::shared_ptr<Mailbox>& box : made) {
    const std::lock_guard lock(box->preparing);
    box->prepared = true;
  }
}

std::string MailStore::path(std::string_view mailbox, std::string_view folder,
                            std::string_view file) const {
  std::string result;
  result.reserve(options_.root.size() + 1 + mailbox.size() + folder.size() + file.size());
  result += options_.root;
  result += '/';
  result += mailbox;
  result += folder;
  result += file;
  return result;
}

std::string MailStore::trouble() const { return trouble_.what(); }

/// Says it once for each reason, not for each message.
void MailStore::note_failure(int error, std::string_view doing) {
  const Error what = system_error(doing, error);
  if (!trouble_.begins(std::to_string(error), what.what(), clock_.now())) return;
  LogEntry entry(LogLevel::error,
                 disk_is_full(error) ? "mail_refused_disk_full" : "mail_store_failed");
  entry.listener(options_.listener).protocol("smtp");
  entry.message_id(disk_is_full(error) ? message_id::kMailRefusedDiskFull
                                       : message_id::kStoreUnavailable);
  entry.send("mail is refused with a temporary error: " + what.what());
}

void MailStore::note_success() {
  if (!trouble_.ends()) return;
  LogEntry(LogLevel::info, "mail_store_recovered")
      .listener(options_.listener)
      .protocol("smtp")
      .send("mail is accepted again");
}

}  // namespace netd::smtp
