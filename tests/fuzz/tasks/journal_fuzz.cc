// The bytes of a journal: as a header, as a file full of frames, and as the operations of a frame
// whose checksum is right.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/tasks/journal_format.h"
#include "daemon/tasks/journal_recovery.h"

namespace netd::tasks {
namespace {

constexpr std::uint64_t kGeneration = 1;

void show_all(const RecoveredJournal& journal) {
  const MergedTasks::Visit visit = [](const Record& record) {
    if (record.id.size() + record.data.size() + record.queue.size() > (1U << 20U)) std::abort();
    return Result<void>();
  };
  MergedTasks merged(journal.overlay, journal.bytes, visit);
  if (!merged.finish()) std::abort();  // what went into the overlay can be read again
}

/// What decodes encodes to the bytes that it came from, but for those that mean the same.
void try_ops(std::string_view bytes) {
  FrameBuilder builder;
  while (!bytes.empty()) {
    const auto op = decode_op(bytes);
    if (!op) break;
    StoreOp again{.kind = op->kind};
    again.record = op->record;
    again.text = op->text;
    (void)builder.add(again);
  }
  const std::string frame(builder.finish(kGeneration, 1, 0));
  if (!read_frame(frame, 0, kGeneration)) std::abort();
  std::array<std::string, 2> files{std::string(kFirstFrame, '\0') + frame, ""};
  for (const bool salvage : {false, true}) {
    const RecoveredJournal journal = recover_journal(files, kGeneration, 0, salvage);
    if (!journal.damage.empty() || journal.last != 1) std::abort();
    show_all(journal);
  }
}

}  // namespace
}  // namespace netd::tasks

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace netd::tasks;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)decode_header(bytes);
  try_ops(bytes);
  std::array<std::string, 2> files{std::string(kFirstFrame, '\0').append(bytes),
                                   std::string(bytes)};
  for (const bool salvage : {false, true}) {
    show_all(recover_journal(files, kGeneration, 0, salvage));
  }
  return 0;
}
