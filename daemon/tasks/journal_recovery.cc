#include "daemon/tasks/journal_recovery.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace netd::tasks {

namespace {

/// The first number that is not there, and whether its commit had been on the disk.
struct Gap {
  std::uint64_t missing = 0;
  bool acknowledged = false;
};

std::vector<Frame> all_frames(std::span<const std::string> files, std::string_view bytes,
                              std::uint64_t generation, std::uint64_t applied) {
  std::vector<Frame> all;
  std::size_t begin = 0;
  for (const std::string& file : files) {
    for (Frame frame : find_frames(bytes.substr(begin, file.size()), generation, applied)) {
      frame.at += begin;
      all.push_back(frame);
    }
    begin += file.size();
  }
  std::ranges::stable_sort(all, {}, &Frame::number);
  return all;
}

/// Cuts `frames` off where one is missing.
std::optional<Gap> cut_at_gap(std::vector<Frame>& frames, std::uint64_t applied, bool keep) {
  std::uint64_t expected = applied + 1;
  for (std::size_t i = 0; i < frames.size(); ++i, ++expected) {
    if (frames[i].number == expected) continue;
    const bool acknowledged =
        frames[i].number < expected ||  // twice: never written like that
        std::any_of(
            frames.begin() + static_cast<std::ptrdiff_t>(i), frames.end(),
            [expected](const Frame& later) { return later.synced >= expected; });
    if (!keep || !acknowledged) frames.resize(i);
    return Gap{.missing = expected, .acknowledged = acknowledged};
  }
  return std::nullopt;
}

bool add_to_overlay(Overlay& overlay, const Frame& frame, std::string_view bytes) {
  std::string_view ops = frame.ops;
  while (!ops.empty()) {
    const char* const begin = ops.data();
    const auto op = decode_op(ops);
    if (!op) return false;
    overlay.apply(op->kind, op->record, op->text,
                  {.at = static_cast<std::uint32_t>(begin - bytes.data()),
                   .size = static_cast<std::uint32_t>(ops.data() - begin)});
  }
  return true;
}

}  // namespace

std::string journal_path(const std::string& folder, int file) {
  return folder + "/tasks.journal-" + static_cast<char>('a' + file);
}

Result<std::string> read_journal_file(const OpenMedium& open, const std::string& path,
                                      std::uint64_t generation) {
  auto medium = open(path, 0);
  if (!medium) return std::unexpected(medium.error().within("damaged: its journal"));
  auto bytes = (*medium)->read(0, (*medium)->size());
  if (!bytes) return std::unexpected(bytes.error().within("its journal"));
  const auto header = decode_header(*bytes);
  if (!header) return fail("damaged: its journal " + path + " is no journal of tasks");
  if (header->generation != generation) {
    return fail("damaged: its journal " + path + " is that of another store or of another time");
  }
  if (header->size != bytes->size()) {
    return fail("damaged: its journal " + path + " has " + std::to_string(bytes->size()) +
                " bytes of " + std::to_string(header->size));
  }
  return bytes;
}

std::uint64_t stray_generation(const OpenMedium& open, const std::string& folder,
                               std::uint64_t ended, std::uint64_t applied) {
  for (int file = 0; file < kJournalFiles; ++file) {
    const auto medium = open(journal_path(folder, file), 0);
    if (!medium || (*medium)->size() < kFirstFrame) continue;
    const auto head = (*medium)->read(0, kFirstFrame);
    const auto header = head ? decode_header(*head) : std::nullopt;
    if (!header || header->generation == 0) continue;  // none, or that of a clean end
    const auto bytes = (*medium)->read(0, (*medium)->size());
    const std::uint64_t after = header->generation == ended ? applied : 0;
    if (bytes && !find_frames(*bytes, header->generation, after).empty()) return header->generation;
  }
  return 0;
}

Result<void> check_no_stranger(const OpenMedium& open, const std::string& folder) {
  for (int file = 0; file < kJournalFiles; ++file) {
    const std::string path = journal_path(folder, file);
    const auto medium = open(path, 0);
    if (!medium) continue;
    const auto head = (*medium)->read(0, std::min<std::size_t>((*medium)->size(), kFirstFrame));
    if (!head) return std::unexpected(head.error().within("its journal"));
    if (!begins_as_journal(*head)) {
      return fail("damaged: its journal " + path + " is no journal of tasks");
    }
  }
  return {};
}

RecoveredJournal recover_journal(std::span<const std::string> files, std::uint64_t generation,
                                 std::uint64_t applied, bool salvage) {
  RecoveredJournal recovered;
  for (const std::string& file : files) recovered.bytes += file;
  recovered.last = applied;
  std::vector<Frame> frames = all_frames(files, recovered.bytes, generation, applied);
  const auto gap = cut_at_gap(frames, applied, salvage);
  if (gap && gap->acknowledged) {
    recovered.damage = "commit number " + std::to_string(gap->missing) +
                       " is missing or not what was written, and later ones are there";
  }
  for (const Frame& frame : frames) {
    recovered.last = std::max(recovered.last, frame.number);
    ++recovered.count;
    if (add_to_overlay(recovered.overlay, frame, recovered.bytes)) continue;
    recovered.damage = "commit number " + std::to_string(frame.number) + " cannot be understood";
    if (!salvage) break;
  }
  return recovered;
}

std::optional<DecodedOp> op_at(std::string_view bytes, Place where) {
  if (where.at > bytes.size() || where.size > bytes.size() - where.at) return std::nullopt;
  std::string_view op = bytes.substr(where.at, where.size);
  return decode_op(op);
}

void set_changed(Record& record, const Overlay::TaskChange& change) {
  record.attempt = change.attempt;
  record.dead = change.dead;
  record.ready_at = change.ready_at;
  record.expires = change.expires;
}

MergedTasks::MergedTasks(const Overlay& overlay, std::string_view bytes, const Visit& visit)
    : overlay_(overlay), bytes_(bytes), visit_(visit) {
  for (const auto& [seq, change] : overlay.tasks()) {
    if (change.kind == Overlay::TaskChange::Kind::put) puts_.push_back(seq);
  }
  std::ranges::sort(puts_);
}

Result<void> MergedTasks::row(const Record& record) {
  while (next_ < puts_.size() && puts_[next_] <= record.seq) {
    if (auto shown = show_put(puts_[next_++]); !shown) return shown;
  }
  return stray(record);
}

Result<void> MergedTasks::stray(const Record& record) {
  const Overlay::TaskChange* change = overlay_.task(record.seq);
  if (change == nullptr) return visit_(record);
  if (change->kind != Overlay::TaskChange::Kind::update) return {};  // gone, or shown as a put
  Record changed = record;
  set_changed(changed, *change);
  return visit_(changed);
}

Result<void> MergedTasks::finish() {
  while (next_ < puts_.size()) {
    if (auto shown = show_put(puts_[next_++]); !shown) return shown;
  }
  return {};
}

Result<void> MergedTasks::show_put(std::uint64_t seq) {
  const Overlay::TaskChange& change = *overlay_.task(seq);
  const auto op = op_at(bytes_, change.where);
  if (!op) return fail("damaged: task number " + std::to_string(seq) + " of the journal");
  Record record = op->record;
  set_changed(record, change);
  return visit_(record);
}

}  // namespace netd::tasks
