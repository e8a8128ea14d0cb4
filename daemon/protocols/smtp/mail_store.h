// Puts messages into Maildir folders, on threads of its own.
//
// Durable and fast at once (group commit): threads write messages into tmp/ as they come; one or
// two of them at a time take all that are written, bring them to disk together, give them their
// names together, and sync each folder once. The slower the disk, the larger the groups.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/thread_pool.h"
#include "daemon/base/trouble.h"
#include "daemon/protocols/smtp/delivery.h"
#include "daemon/protocols/smtp/disk_sync.h"
#include "daemon/protocols/smtp/housekeeper.h"
#include "daemon/protocols/smtp/maildir.h"
#include "daemon/protocols/smtp/quota.h"

namespace netd::smtp {

class MailStore {
 public:
  struct Options {
    std::string root;         ///< the folder of all mailboxes; made when it is missing
    std::string hostname;     ///< in file names
    std::string listener;     ///< for the log
    bool sync = true;         ///< every copy is on disk before a delivery is done
    std::uint64_t quota = 0;  ///< octets that a mailbox may hold; zero: no limit
    Retention retention = {};

    friend bool operator==(const Options&, const Options&) = default;
  };

  /// Fails when the root cannot be made or written to. `clock` must outlive the store.
  [[nodiscard]] static Result<std::shared_ptr<MailStore>> create(Options options,
                                                                 const Clock& clock);
  /// Finishes what was submitted. Not to be called from a storage thread.
  ~MailStore();
  MailStore(const MailStore&) = delete;
  MailStore& operator=(const MailStore&) = delete;

  using Batch = std::vector<std::unique_ptr<Delivery>>;

  /// Takes the next step of each delivery: writes its chunk, and after the last one puts the
  /// message into all its mailboxes, or into none. The delivery comes back through its courier (not
  /// one that is given up). Never blocks; any thread. Each session has one delivery here at most,
  /// which is what bounds the queue.
  void submit(std::span<std::unique_ptr<Delivery>> deliveries);

  [[nodiscard]] UniqueNames::Name next_name() { return names_.next(); }
  [[nodiscard]] const Options& options() const { return options_; }
  /// Whether a mailbox is known to have no room for a message of `size` octets, 0 for one of
  /// unknown size. Never blocks: a message that meets a mailbox which filled since is refused at
  /// its end. Any thread.
  [[nodiscard]] bool is_full(const std::string& mailbox, std::uint64_t size);
  /// Empty when the last message could be stored, else why not. Any thread.
  [[nodiscard]] std::string trouble() const;

 private:
  /// What is known of one mailbox. Kept by the table and by the threads that work on it, which is
  /// why it is shared: the table forgets mailboxes when it has too many.
  struct Mailbox;

  MailStore(Options options, const Clock& clock);

  void wake_one();
  void work();
  /// The next of what waits, moved to `batch`; false when there is nothing for this thread.
  bool take_work(Batch& batch, bool& to_commit);
  void write(Batch& batch);
  bool run_step(Delivery& delivery);
  void commit(Batch& batch);
  void sync_files(std::vector<Delivery*>& deliveries);
  void place_all(std::vector<Delivery*>& deliveries);
  void sync_folders(std::vector<Delivery*>& deliveries);
  [[nodiscard]] std::vector<int> sync_paths(std::span<const std::string> folders);
  void sync_paths(std::span<const std::string> paths, std::span<int> errors);
  static void bring_back(Batch& batch);
  int write_chunk(Delivery& delivery);
  int open_file(Delivery& delivery);
  int create_file(Delivery& delivery);
  [[nodiscard]] bool reserve_room(Delivery& delivery);
  void settle_room(Delivery& delivery, bool stored);
  int place(Delivery& delivery);
  int place_copy(const Delivery& delivery, const std::string& mailbox, const std::string& target);
  int copy_file(const Delivery& delivery, const std::string& mailbox, const std::string& target);
  /// Ends a delivery with an error: removes every trace of it.
  void roll_back(Delivery& delivery, int error, std::string_view doing);
  void remove_traces(Delivery& delivery);

  std::shared_ptr<Mailbox> mailbox(const std::string& name);
  int prepare(const std::string& mailbox_name, bool again);
  void prepare_together(const std::vector<Delivery*>& deliveries);
  [[nodiscard]] std::string path(std::string_view mailbox, std::string_view folder,
                                 std::string_view file) const;

  void note_failure(int error, std::string_view doing);
  void note_success();

  const Options options_;
  const Clock& clock_;
  UniqueNames names_;
  std::unique_ptr<QuotaBook> quota_;  // null: no limit
  std::atomic<bool> recounting_{false};
  std::unique_ptr<Housekeeper> housekeeper_;  // depends on: names_

  std::mutex mailboxes_mutex_;  // guards mailboxes_
  std::unordered_map<std::string, std::shared_ptr<Mailbox>> mailboxes_;

  Trouble trouble_;

  std::atomic<bool> unnamed_;  // files get their first name in new/: until one cannot be made so

  DiskSync disk_;

  std::mutex queue_mutex_;  // guards all below
  std::deque<std::unique_ptr<Delivery>> queue_;
  Batch written_;               // complete in tmp/, and not yet taken to be committed
  std::size_t committing_ = 0;  // threads that commit
  std::size_t busy_ = 0;        // threads that were asked for and have not gone idle again
  bool waking_ = false;         // one of them has not taken its first batch yet
  ThreadPool threads_;          // depends on: everything above
};

}  // namespace netd::smtp
