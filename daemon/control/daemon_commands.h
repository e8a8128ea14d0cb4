// The commands about the daemon itself.
#pragma once

namespace netd::control {

struct Call;

void run_config(const Call& call);
void run_connections(const Call& call);
void run_disconnect(const Call& call);
void run_drain(const Call& call);
void run_listeners(const Call& call);
void run_log_level(const Call& call);
void run_reload(const Call& call);
void run_stats(const Call& call);
void run_status(const Call& call);
void run_stop(const Call& call);
void run_subscribe(const Call& call);
void run_version(const Call& call);

}  // namespace netd::control
