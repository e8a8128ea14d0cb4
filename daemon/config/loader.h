// Reads the configuration files into Settings, or says everything that is wrong with them.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/config/schema.h"
#include "daemon/config/settings.h"

namespace netd::config {

/// What a configuration may ask of the machine, as a dependency that tests replace.
struct Environment {
  /// A variable's value; nothing when it is not set.
  std::function<std::optional<std::string>(const std::string& name)> variable;
  std::function<std::string()> hostname;
  /// CPUs that this process may use; what `workers = auto` means. At least 1.
  std::function<unsigned()> processors;
  std::function<bool(const std::string& name_or_number)> group_exists;

  /// The real one.
  [[nodiscard]] static Environment system();
};

/// A file's name, as mistakes give it, and what is in it.
struct SourceFile {
  std::string name;
  std::string text;
};

// shared_ptr: workers, listeners and sessions of one generation keep its settings alive.
using LoadResult = std::expected<std::shared_ptr<const Settings>, std::vector<Mistake>>;

/// Reads `path` and then the files *.conf of the folder conf.d beside it, in the byte order of
/// their names. Changes nothing on the system. At most kMaxMistakes are listed.
[[nodiscard]] LoadResult load(const std::string& path, std::span<const ProtocolSchema> protocols,
                              const Environment& environment);

/// The same for files that are in memory; the first is the main one.
[[nodiscard]] LoadResult load_sources(std::span<const SourceFile> sources,
                                      std::span<const ProtocolSchema> protocols,
                                      const Environment& environment);

inline constexpr std::size_t kMaxFileSize = std::size_t{1} << 20;
inline constexpr std::size_t kMaxFiles = 256;
inline constexpr std::size_t kMaxMistakes = 500;

}  // namespace netd::config
