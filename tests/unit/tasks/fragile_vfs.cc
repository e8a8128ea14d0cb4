#include "tests/unit/tasks/fragile_vfs.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "tests/support/temp_dir.h"

namespace netd::tasks::test {

namespace {

constexpr std::size_t kSector = 512;

}  // namespace

FragileVfs* FragileVfs::self = nullptr;

/// SQLite gives each open file room for this and for the real layer's part behind it.
struct FragileVfs::File {
  sqlite3_file base;
  FileState* state;  // null: a file that nobody looks at
  [[nodiscard]] sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

FragileVfs::FragileVfs(std::uint64_t seed) : real_(::sqlite3_vfs_find(nullptr)), random_(seed) {
  self = this;
  vfs_ = *real_;
  vfs_.zName = kName;
  vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
  vfs_.pNext = nullptr;
  vfs_.xOpen = open;
  // Delegation: each method finds the real file behind ours.
  methods_.iVersion = 1;
  methods_.xClose = [](sqlite3_file* file) {
    sqlite3_file* real = reinterpret_cast<File*>(file)->real();
    return real->pMethods == nullptr ? SQLITE_OK : real->pMethods->xClose(real);
  };
  methods_.xRead = [](sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
    sqlite3_file* real = reinterpret_cast<File*>(file)->real();
    return real->pMethods->xRead(real, to, size, at);
  };
  methods_.xWrite = write;
  methods_.xTruncate = truncate;
  methods_.xSync = sync;
  methods_.xFileSize = [](sqlite3_file* file, sqlite3_int64* size) {
    sqlite3_file* real = reinterpret_cast<File*>(file)->real();
    return real->pMethods->xFileSize(real, size);
  };
  methods_.xLock = [](sqlite3_file* file, int level) {
    sqlite3_file* real = reinterpret_cast<File*>(file)->real();
    return real->pMethods->xLock(real, level);
  };
  methods_.xUnlock = [](sqlite3_file* file, int level) {
    sqlite3_file* real = reinterpret_cast<File*>(file)->real();
    return real->pMethods->xUnlock(real, level);
  };
  methods_.xCheckReservedLock = [](sqlite3_file* file, int* out) {
    sqlite3_file* real = reinterpret_cast<File*>(file)->real();
    return real->pMethods->xCheckReservedLock(real, out);
  };
  methods_.xFileControl = [](sqlite3_file* file, int op, void* argument) {
    sqlite3_file* real = reinterpret_cast<File*>(file)->real();
    return real->pMethods->xFileControl(real, op, argument);
  };
  methods_.xSectorSize = [](sqlite3_file* file) {
    sqlite3_file* real = reinterpret_cast<File*>(file)->real();
    return real->pMethods->xSectorSize(real);
  };
  methods_.xDeviceCharacteristics = [](sqlite3_file* file) {
    sqlite3_file* real = reinterpret_cast<File*>(file)->real();
    return real->pMethods->xDeviceCharacteristics(real);
  };
  ::sqlite3_vfs_register(&vfs_, 0);
}

FragileVfs::~FragileVfs() {
  ::sqlite3_vfs_unregister(&vfs_);
  self = nullptr;
}

int FragileVfs::open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags,
                     int* out_flags) {
  auto* ours = reinterpret_cast<File*>(file);
  ours->base.pMethods = nullptr;
  ours->state = nullptr;
  const int code = self->real_->xOpen(self->real_, name, ours->real(), flags, out_flags);
  if (code != SQLITE_OK) return code;
  ours->base.pMethods = &self->methods_;
  if ((flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0) {
    // What is there when the file is opened has survived a loss of power already, or was synced.
    ours->state = &self->files_[std::filesystem::path(name).filename().string()];
    *ours->state = {.synced = netd::test::read_file(name), .pending = {}};
  }
  return SQLITE_OK;
}

int FragileVfs::write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
  if (self->write_error != SQLITE_OK) return self->write_error;
  auto* ours = reinterpret_cast<File*>(file);
  self->tick();
  if (ours->state != nullptr) {
    ours->state->pending.push_back(
        {.at = at,
         .bytes = std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size))});
  }
  return ours->real()->pMethods->xWrite(ours->real(), bytes, size, at);
}

int FragileVfs::truncate(sqlite3_file* file, sqlite3_int64 size) {
  auto* ours = reinterpret_cast<File*>(file);
  self->tick();
  if (ours->state != nullptr) ours->state->pending.push_back({.at = -1, .bytes = {}, .size = size});
  return ours->real()->pMethods->xTruncate(ours->real(), size);
}

int FragileVfs::sync(sqlite3_file* file, int) {
  if (self->sync_error != SQLITE_OK) return self->sync_error;
  auto* ours = reinterpret_cast<File*>(file);
  self->tick();
  if (ours->state != nullptr) {
    for (const Change& change : ours->state->pending) apply(ours->state->synced, change);
    ours->state->pending.clear();
  }
  return SQLITE_OK;  // the real disk has no part in this
}

// Journal files.

class FragileVfs::Medium final : public JournalMedium {
 public:
  Medium(FragileVfs& disk, std::unique_ptr<JournalMedium> real, FileState& state)
      : disk_(disk), real_(std::move(real)), state_(state) {}

  [[nodiscard]] std::uint64_t size() const override { return real_->size(); }

  std::optional<StoreError> write(std::uint64_t at, std::string_view bytes, bool durable) override {
    if (disk_.journal_error) {
      bytes = bytes.substr(
          0, disk_.random_() % 2 == 0 ? bytes.size() : disk_.random_() % (bytes.size() + 1));
    }
    disk_.tick();
    state_.pending.push_back(
        {.at = static_cast<std::int64_t>(at), .bytes = std::string(bytes), .size = 0});
    if (auto failed = real_->write(at, bytes, false)) return failed;
    if (disk_.journal_error) return disk_.journal_error;
    return durable ? sync() : std::nullopt;
  }

  std::optional<StoreError> sync() override {
    if (disk_.journal_sync_fails) {
      state_.pending.clear();
      return StoreError{StoreError::Kind::io, "sync"};
    }
    disk_.tick();
    for (const Change& change : state_.pending) apply(state_.synced, change);
    state_.pending.clear();
    return std::nullopt;
  }

  [[nodiscard]] Result<std::string> read(std::uint64_t at, std::size_t size) const override {
    return real_->read(at, size);
  }

 private:
  FragileVfs& disk_;
  std::unique_ptr<JournalMedium> real_;
  FileState& state_;
};

OpenMedium FragileVfs::media() {
  return [this](const std::string& path,
                std::uint64_t size) -> Result<std::unique_ptr<JournalMedium>> {
    auto real = open_journal_file(path, size);
    if (!real) return real;
    FileState& state = files_[std::filesystem::path(path).filename().string()];
    state = {.synced = netd::test::read_file(path), .pending = {}};
    return std::make_unique<Medium>(*this, std::move(*real), state);
  };
}

void FragileVfs::apply(std::string& contents, const Change& change) {
  if (change.at < 0) {
    contents.resize(static_cast<std::size_t>(change.size));
    return;
  }
  const auto at = static_cast<std::size_t>(change.at);
  contents.resize(std::max(contents.size(), at + change.bytes.size()));
  contents.replace(at, change.bytes.size(), change.bytes);
}

void FragileVfs::tick() {
  if (countdown_ == 0) return;
  --countdown_;
  if (countdown_ > 0) return;
  lost_ = true;
  for (const auto& [name, state] : files_) {
    std::string& contents = image_[name];
    contents = state.synced;
    for (Change change : state.pending) {
      const auto fate = random_() % 3;
      if (fate == 0) continue;
      if (fate == 1 && change.at >= 0) {
        change.bytes.resize(std::min<std::size_t>(
            change.bytes.size(), random_() % (change.bytes.size() / kSector + 1) * kSector));
      }
      apply(contents, change);
    }
  }
}

}  // namespace netd::tasks::test
