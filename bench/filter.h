/* A seccomp filter as an allow-list of some 330 calls makes it: the architecture, then a balanced tree over
 * the numbers, 237 instructions in all. It stands for any such filter; sandstone's own has 238. */
#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

enum { kLeaves = 117 }; /* of four numbers each; one in sixteen gives ENOSYS */

static struct sock_filter filter_code[4 + 2 * kLeaves];
static unsigned short filter_size;

static void filter_tree(int first, int last) { /* an instruction for each inner node and for each leaf */
  const int at = filter_size++, middle = (first + last) / 2;
  if (last - first == 1) {
    const unsigned verdict = first % 16 == 15 && first > 80 ? SECCOMP_RET_ERRNO | 38 : SECCOMP_RET_ALLOW;
    filter_code[at] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict);
    return;
  }
  filter_tree(first, middle);
  filter_code[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (unsigned)middle * 4,
                                                 (unsigned char)(filter_size - at - 1), 0);
  filter_tree(middle, last);
}

static const struct sock_fprog* allow_list(void) {
  static struct sock_fprog program;
  filter_code[filter_size++] =
      (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
  filter_code[filter_size++] =
      (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
  filter_code[filter_size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  filter_code[filter_size++] =
      (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  filter_tree(0, kLeaves);
  program = (struct sock_fprog){filter_size, filter_code};
  return &program;
}
