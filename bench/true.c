/* The shortest program there is: what a sandbox costs is not to be hidden behind the start of a C library. */
#include <sys/syscall.h>

__attribute__((noreturn, used)) void _start(void) {
  for (;;) __asm__ volatile("syscall" : : "a"(SYS_exit_group), "D"(0) : "rcx", "r11", "memory");
}
