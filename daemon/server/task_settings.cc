#include "daemon/server/task_settings.h"

#include <string>

#include "daemon/base/text.h"

namespace netd {

tasks::TaskServiceSettings task_service_settings(const config::TaskSettings& settings) {
  tasks::TaskServiceSettings service;
  service.path = settings.path;
  switch (settings.sync) {
    case config::SyncMode::always:
      service.sync = tasks::SyncMode::always;
      break;
    case config::SyncMode::batch:
      service.sync = tasks::SyncMode::batch;
      break;
    case config::SyncMode::off:
      service.sync = tasks::SyncMode::off;
      break;
  }
  service.sync_interval = settings.sync_interval;
  const config::Section& own = settings.own;
  service.memory_limit = own.size("memory_limit");
  service.max_data = own.size("max_data");
  service.max_attempts = static_cast<std::uint32_t>(own.integer("max_attempts"));
  service.retry_delay = own.duration("retry_delay");
  service.retry_delay_max = own.duration("retry_delay_max");
  service.result_ttl = own.duration("result_ttl");
  service.result_limit = own.size("result_limit");
  service.queue_limits = {own.integer("queue_max_tasks"), own.size("queue_max_bytes")};
  for (const config::Value& value : own.list("queue_limit")) {
    const auto words = split_words(value.text);  // three of them, as the schema has checked
    service.limits_by_queue.insert_or_assign(
        std::string(words.at(0)),
        tasks::QueueLimits{parse_decimal(words.at(1)).value(), parse_size(words.at(2)).value()});
  }
  return service;
}

}  // namespace netd
