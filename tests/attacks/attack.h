// What every attack program shares: how it says that it won, and the small tools of the trade.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

// Exit statuses. The driver takes anything else (a crash, a missing argument) as a broken test, never as a
// wall.
enum { kWon = 42, kRefused = 0, kBroken = 3 };

// "won: ..." and exit 42: the attacker holds something that a sandbox must not give.
_Noreturn void won(const char* format, ...) __attribute__((format(printf, 1, 2)));
// "refused: ... (errno)" and exit 0: every way that the attack knows was refused.
_Noreturn void refused(const char* format, ...) __attribute__((format(printf, 1, 2)));
// "broken: ..." and exit 3: the attack could not even be tried.
_Noreturn void broken(const char* format, ...) __attribute__((format(printf, 1, 2)));

// True if the file begins with the canary's mark, which is copied (one line) into `text`.
#define CANARY "CANARY-"
bool fd_has_canary(int fd, char* text, size_t size);
bool path_has_canary(int dir, const char* path, char* text, size_t size);

// Calls `visit` with each number that names a process in /proc; stops when it returns true.
bool each_process(bool (*visit)(pid_t pid, void* data), void* data);

// A process of its own for steps that change it for good; returns its exit status, or 128 + signal.
int in_child(int (*work)(void* data), void* data);

typedef struct {
  const char* name;
  void (*run)(int argc, char** argv);  // argv[0] is the first argument after the name
} Attack;

extern const Attack kDescriptorAttacks[];
extern const Attack kLauncherAttacks[];
extern const Attack kTerminalAttacks[];
extern const Attack kMountAttacks[];
extern const Attack kNamespaceAttacks[];
extern const Attack kSyscallAttacks[];
extern const Attack kSeccompAttacks[];
extern const Attack kProcessAttacks[];
extern const Attack kHostAttacks[];
extern const Attack kReportAttacks[];
extern const Attack kRuntimeCallAttacks[], kRuntimeMemoryAttacks[], kRuntimeCodeAttacks[],
    kRuntimeSecretAttacks[];
