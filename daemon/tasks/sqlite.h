// RAII names for SQLite's pointers, and the few calls that the store makes of it.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/error.h"

namespace netd::tasks {

struct SqliteClose {
  void operator()(sqlite3* db) const noexcept { ::sqlite3_close(db); }
};
struct SqliteFinalize {
  void operator()(sqlite3_stmt* statement) const noexcept { ::sqlite3_finalize(statement); }
};
using SqlitePtr = std::unique_ptr<sqlite3, SqliteClose>;
using StatementPtr = std::unique_ptr<sqlite3_stmt, SqliteFinalize>;

/// A prepared statement that is run again and again. Bound texts must live until the next reset.
class Statement {
 public:
  Statement() = default;
  /// SQLITE_OK or the error.
  [[nodiscard]] int prepare(sqlite3* db, std::string_view sql) {
    sqlite3_stmt* raw = nullptr;
    const int code = ::sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()),
                                          SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    statement_.reset(raw);
    return code;
  }

  Statement& bind(int at, std::int64_t value) {
    ::sqlite3_bind_int64(statement_.get(), at, value);
    return *this;
  }
  Statement& bind(int at, std::string_view value) {
    ::sqlite3_bind_text64(statement_.get(), at, value.empty() ? "" : value.data(), value.size(),
                          SQLITE_STATIC, SQLITE_UTF8);
    return *this;
  }

  /// SQLITE_ROW, SQLITE_DONE or an error.
  [[nodiscard]] int step() { return ::sqlite3_step(statement_.get()); }
  /// Runs to the end: SQLITE_OK or an error.
  [[nodiscard]] int run() {
    int code = step();
    while (code == SQLITE_ROW) code = step();
    const int reset_code = reset();
    return code == SQLITE_DONE ? SQLITE_OK : (reset_code == SQLITE_OK ? code : reset_code);
  }
  int reset() { return ::sqlite3_reset(statement_.get()); }

  [[nodiscard]] std::int64_t integer(int column) {
    return ::sqlite3_column_int64(statement_.get(), column);
  }
  /// Lives until the next step.
  [[nodiscard]] std::string_view text(int column) {
    const unsigned char* bytes = ::sqlite3_column_text(statement_.get(), column);
    const int size = ::sqlite3_column_bytes(statement_.get(), column);
    return {reinterpret_cast<const char*>(bytes),
            bytes == nullptr ? 0U : static_cast<std::size_t>(size)};
  }

 private:
  StatementPtr statement_;
};

}  // namespace netd::tasks
