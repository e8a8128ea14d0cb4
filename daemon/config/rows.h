// The settings of the daemon itself. Those of the protocols are in the protocols' folders.
#pragma once

#include <span>

#include "daemon/config/schema.h"

namespace netd::config {

[[nodiscard]] std::span<const SettingRow> netd_rows();
[[nodiscard]] std::span<const SettingRow> control_rows();
[[nodiscard]] std::span<const SettingRow> task_rows();
/// Those that every listener has.
[[nodiscard]] std::span<const SettingRow> listener_rows();
[[nodiscard]] std::span<const SettingRow> service_rows();

}  // namespace netd::config
