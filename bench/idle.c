/* A program that only waits: what is left of a sandbox's memory is the sandbox's own. */
#include <sys/syscall.h>

__attribute__((noreturn, used)) void _start(void) {
  for (long number;;) {
    number = SYS_pause;
    __asm__ volatile("syscall" : "+a"(number) : : "rcx", "r11", "memory");
  }
}
