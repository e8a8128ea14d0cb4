// One message on its way to the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace netd::smtp {

class Courier;
class Delivery;

enum class StoreOutcome : std::uint8_t {
  done,       ///< this step succeeded; after the last, every copy is as durable as promised
  disk_full,  ///< nothing of the message is left
  mailbox_full,
  failed,  ///< nothing of the message is left
};

/// Who waits for a step of a delivery. Lives in a worker's thread.
class DeliveryClient {
 public:
  virtual void on_delivery_returned(std::unique_ptr<Delivery> delivery) = 0;

 protected:
  ~DeliveryClient() = default;
};

/// Travels between a session and the storage threads, and belongs to one side at a time. A message
/// goes in steps of a chunk each, so that neither side ever holds all of it.
class Delivery {
 public:
  Delivery() = default;
  /// Removes what is left in tmp/: blocks, when there is something.
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  /// Whether there is a file: a delivery that has one is given up through the store.
  [[nodiscard]] bool has_file() const { return static_cast<bool>(file) || !tmp_path.empty(); }

  // ---- Set by the session before each step.
  std::vector<std::string> mailboxes;  ///< "DOMAIN/USER", each once, at least one
  std::string file_name;               ///< of UniqueNames
  std::string chunk;                   ///< what to write next
  bool last = false;                   ///< the message ends with this chunk
  bool give_up = false;                ///< remove what is there; nobody waits

  // ---- Set by the store.
  StoreOutcome outcome = StoreOutcome::done;
  UniqueFd file;
  std::string tmp_path;  ///< empty: the file has no name yet (O_TMPFILE), or none any more
  std::uint64_t size = 0;
  std::vector<std::string> placed;  ///< the names in new/ that exist already
  std::size_t reserved = 0;         ///< mailboxes, from the first on, whose quota has room kept

  // ---- The way back. `client` is touched by the worker's thread alone, also while the rest of
  // the delivery is with the store: a session that ends puts null there.
  DeliveryClient* client = nullptr;
  std::shared_ptr<Courier> courier;  ///< shared by the deliveries of one worker
};

}  // namespace netd::smtp
