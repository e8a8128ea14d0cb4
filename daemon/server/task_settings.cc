#include "daemon/server/task_settings.h"

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
  return service;
}

}  // namespace netd
