// MESSAGE_ID of the entries that a person acts on (systemd.journal-fields(7)). Each is explained in
// systemd/netd.catalog; a test holds the two lists against each other.
#pragma once

#include <string_view>

namespace netd::message_id {

inline constexpr std::string_view kStarted = "a77d11b1ac0f4a4f8d7f0c3b5e2c9a01";
inline constexpr std::string_view kStopping = "a77d11b1ac0f4a4f8d7f0c3b5e2c9a02";
inline constexpr std::string_view kReloaded = "a77d11b1ac0f4a4f8d7f0c3b5e2c9a03";
inline constexpr std::string_view kReloadRefused = "a77d11b1ac0f4a4f8d7f0c3b5e2c9a04";
inline constexpr std::string_view kListenerFailed = "a77d11b1ac0f4a4f8d7f0c3b5e2c9a05";
inline constexpr std::string_view kLimitReached = "a77d11b1ac0f4a4f8d7f0c3b5e2c9a06";
inline constexpr std::string_view kMailRefusedDiskFull = "a77d11b1ac0f4a4f8d7f0c3b5e2c9a07";
inline constexpr std::string_view kTaskDead = "a77d11b1ac0f4a4f8d7f0c3b5e2c9a08";
inline constexpr std::string_view kStoreDamaged = "a77d11b1ac0f4a4f8d7f0c3b5e2c9a09";
inline constexpr std::string_view kStoreUnavailable = "a77d11b1ac0f4a4f8d7f0c3b5e2c9a0a";
inline constexpr std::string_view kLogEntriesLost = "a77d11b1ac0f4a4f8d7f0c3b5e2c9a0b";

}  // namespace netd::message_id
