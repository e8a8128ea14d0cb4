// The commands about tasks.
#pragma once

namespace netd::control {

struct Call;

void run_consume(const Call& call);
void run_delete(const Call& call);
void run_done(const Call& call);
void run_fail(const Call& call);
void run_give_back(const Call& call);
void run_kick(const Call& call);
void run_pause(const Call& call);
void run_peek(const Call& call);
void run_produce(const Call& call);
void run_result(const Call& call);
void run_resume(const Call& call);
void run_task_stats(const Call& call);
void run_tasks(const Call& call);
void run_touch(const Call& call);

}  // namespace netd::control
