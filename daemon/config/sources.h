// The files of a configuration.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/ini_file.h"
#include "daemon/config/mistakes.h"

namespace netd::config {

/// `path`, and then *.conf of the folder conf.d beside it in the byte order of their names. Hidden
/// files are not among them; a link to /dev/null masks a file of that name.
[[nodiscard]] std::vector<SourceFile> read_sources(const std::string& path, MistakeList& mistakes);

}  // namespace netd::config
