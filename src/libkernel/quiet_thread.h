// A thread that takes none of the program's signals but those of its own faults: kernel code may run on it,
// and who blocks a fault dies of it.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <initializer_list>
#include <thread>
#include <utility>

namespace sandstone::libkernel {

std::thread quiet_thread(auto body) {
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  return thread;
}

}  // namespace sandstone::libkernel
