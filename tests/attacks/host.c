// Attacks on what the host shares without a path: keyrings, System V and POSIX IPC, abstract sockets.
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "attack.h"

// The caller's session keyring is inherited through fork and exec, and its possessor may read what is in it.
static void keyring(int argc, char** argv) {
  if (argc < 1) broken("usage: keyring DESCRIPTION");
  static const int kRings[] = {KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_SESSION_KEYRING,
                               KEY_SPEC_USER_KEYRING};
  for (size_t i = 0; i < sizeof kRings / sizeof kRings[0]; ++i) {
    long key = syscall(SYS_keyctl, KEYCTL_SEARCH, kRings[i], "user", argv[0], 0);
    char secret[128] = "";
    if (key > 0 && syscall(SYS_keyctl, KEYCTL_READ, key, secret, sizeof secret - 1) > 0)
      won("key %ld: %s", key, secret);
  }
  refused("no key %s", argv[0]);
}

static void shared_memory(int argc, char** argv) {
  if (argc < 1) broken("usage: shared-memory KEY");
  int id = shmget((key_t)strtol(argv[0], NULL, 0), 0, 0);
  if (id < 0) refused("shmget");
  const char* memory = shmat(id, NULL, SHM_RDONLY);
  if (memory == (void*)-1) refused("shmat");
  won("the host's segment holds %.32s", memory);
}

static void message_queue(int argc, char** argv) {
  if (argc < 1) broken("usage: message-queue NAME");
  int queue = (int)syscall(SYS_mq_open, argv[0], O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, NULL);
  if (queue < 0) refused("mq_open");
  won("the host's message queue %s is open", argv[0]);
}

static void abstract_socket(int argc, char** argv) {
  if (argc < 1) broken("usage: abstract-socket NAME");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(argv[0]);
  memcpy(address.sun_path + 1, argv[0], length);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) refused("socket(AF_UNIX)");
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
  if (connect(fd, (struct sockaddr*)&address, size) != 0) refused("connect to the abstract socket");
  won("the host's abstract socket %s answered", argv[0]);
}

const Attack kHostAttacks[] = {
    {"keyring", keyring},
    {"shared-memory", shared_memory},
    {"message-queue", message_queue},
    {"abstract-socket", abstract_socket},
    {NULL, NULL},
};
