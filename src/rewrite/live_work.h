// Work for a process whose libc is patched. Each gives 0, or the line of live_work_test.cc where something
// was wrong.
#pragma once

namespace sandstone::rewrite {

int work_on_files();
int work_on_memory();
int work_with_threads();
int work_with_cancellation();
int work_with_processes();
int work_with_signals();

}  // namespace sandstone::rewrite
