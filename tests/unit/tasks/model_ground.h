// What tasks outlive their service on, while it is held against a model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include "daemon/tasks/journal_store.h"
#include "daemon/tasks/sqlite_store.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/tasks/fake_store.h"
#include "tests/unit/tasks/fragile_vfs.h"

namespace netd::tasks::test {

class Ground {
 public:
  Ground() = default;
  virtual ~Ground() = default;
  Ground(const Ground&) = delete;
  Ground& operator=(const Ground&) = delete;

  /// The store in its next life, as its last one or crash() left it.
  [[nodiscard]] virtual std::unique_ptr<Store> open() = 0;
  /// From now on whatever the present store writes is lost.
  virtual void crash() = 0;
  /// Runs `commit`, and crashes within or behind it.
  virtual void crash_within(const std::function<void()>& commit) = 0;
  virtual void set_failing(bool failing) = 0;
  /// Whether it can be full: refuse new tasks and nothing else. Until set_full(false).
  virtual bool set_full(bool full) = 0;
};

/// A disk in memory.
class FakeGround final : public Ground {
 public:
  [[nodiscard]] std::unique_ptr<Store> open() override {
    if (left_) disk_ = *std::exchange(left_, std::nullopt);
    return std::make_unique<FakeStore>(disk_);
  }
  void crash() override { left_ = disk_; }
  void crash_within(const std::function<void()>&) override { crash(); }
  void set_failing(bool failing) override {
    disk_.failing.reset();
    if (failing) disk_.failing = StoreError{StoreError::Kind::io, "broken"};
  }
  bool set_full(bool full) override {
    disk_.full.reset();
    if (full) disk_.full = StoreError{StoreError::Kind::full, "no room"};
    return true;
  }

 private:
  Disk disk_;
  std::optional<Disk> left_;
};

/// netd's own stores. A crash is a kill, which leaves all that was written, or a loss of power,
/// which leaves of what was not synced some.
class FilesGround final : public Ground {
 public:
  /// `file_size`: of the journal; 0: there is none.
  FilesGround(std::uint32_t file_size, std::uint64_t seed)
      : file_size_(file_size), random_(seed), vfs_(seed) {}

  [[nodiscard]] std::unique_ptr<Store> open() override {
    write_left();
    vfs_.forget();
    const SqliteStore::Options database{.folder = folder(), .vfs = FragileVfs::kName};
    if (file_size_ == 0) return must(SqliteStore::open(database));
    return must(JournalStore::open(
        {.database = database,
         .file_size = file_size_,
         .apply_after = Duration(static_cast<Duration::rep>(random_() % 2) * 3'600'000'000'000),
         .thread = false,
         .open_medium = vfs_.media(),
         .preallocate_log = false}));
  }
  void crash() override {
    if (random_() % 2 == 0) {
      left_ = files();
    } else {
      lose_power();
    }
  }
  void crash_within(const std::function<void()>& commit) override {
    vfs_.lose_power_after(1 + random_() % 4);
    commit();
    if (!vfs_.power_lost()) vfs_.lose_power();
    keep_image();
  }
  void set_failing(bool failing) override {
    vfs_.write_error = failing ? SQLITE_IOERR_WRITE : SQLITE_OK;
    vfs_.journal_error.reset();
    if (failing) vfs_.journal_error = StoreError{StoreError::Kind::io, "broken"};
  }
  bool set_full(bool) override { return false; }

 private:
  using Files = std::map<std::string, std::string>;

  template <class T>
  static std::unique_ptr<Store> must(Result<std::unique_ptr<T>> opened) {
    if (!opened) throw std::runtime_error(opened.error().what());
    return std::move(*opened);
  }
  [[nodiscard]] std::string folder() const { return dir_ / std::to_string(life_); }

  [[nodiscard]] Files files() const {
    Files all;
    for (const auto& file : std::filesystem::directory_iterator(folder())) {
      all[file.path().filename()] = netd::test::read_file(file.path());
    }
    return all;
  }
  void lose_power() {
    vfs_.lose_power();
    keep_image();
  }
  void keep_image() {
    // A file that the disk knows nothing of is as it was made: nothing was written to it since.
    Files all = files();
    for (const auto& [name, bytes] : vfs_.image()) all[name] = bytes;
    left_ = std::move(all);
  }
  void write_left() {
    if (!left_) return;
    std::filesystem::remove_all(folder());
    ++life_;
    std::filesystem::create_directory(folder());
    for (const auto& [name, bytes] : *left_) {
      std::ofstream(folder() + "/" + name, std::ios::binary) << bytes;
    }
    left_.reset();
  }

  const std::uint32_t file_size_;
  std::mt19937_64 random_;
  FragileVfs vfs_;
  netd::test::TempDir dir_;
  int life_ = 0;
  std::optional<Files> left_;
};

}  // namespace netd::tasks::test
