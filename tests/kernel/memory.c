// Memory: mappings of files and of nothing, shared and private, as mmap(2) and its kin promise.
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096
#define MIB (1024 * 1024)

static sigjmp_buf back;
static void leaps(int number) {
  siglongjmp(back, number);
}

// The signal that touching it raises, or 0.
static int touch(volatile char* at) {
  signal(SIGSEGV, leaps);
  signal(SIGBUS, leaps);
  const int number = sigsetjmp(back, 1);
  if (number == 0) (void)*at;
  return number;
}

static int write_to(volatile char* at) {
  signal(SIGSEGV, leaps);
  signal(SIGBUS, leaps);
  const int number = sigsetjmp(back, 1);
  if (number == 0) *at = *at;
  return number;
}

// A new file of that many bytes, each page full of its own letter.
static int file_of(size_t size) {
  static char page[PAGE];
  char name[] = "/tmp/memory-XXXXXX";
  int fd = mkstemp(name);
  CHECK(fd >= 0 && unlink(name) == 0);
  for (size_t at = 0; at < size; at += PAGE) {
    memset(page, 'a' + (int)(at / PAGE % 26), PAGE);
    CHECK(write(fd, page, size - at < PAGE ? size - at : PAGE) > 0);
  }
  return fd;
}

static char* map(int fd, size_t size, int protection, int flags) {
  char* at = mmap(NULL, size, protection, flags, fd, 0);
  CHECK(at != MAP_FAILED);
  return at;
}

static void private_is_coherent_until_written(void) {
  int fd = file_of(4 * PAGE);
  char* at = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  CHECK(at[0] == 'a' && at[PAGE] == 'b');
  CHECK(pwrite(fd, "X", 1, 0) == 1 && at[0] == 'X');
  at[1] = 'Y';
  CHECK(pwrite(fd, "Z", 1, 0) == 1 && at[0] == 'X');
  char byte;
  CHECK(pread(fd, &byte, 1, 1) == 1 && byte == 'a');
  CHECK(pwrite(fd, "Q", 1, 2 * PAGE) == 1 && at[2 * PAGE] == 'Q');
  fd = file_of(8 * MIB);  // more than is mapped at once
  at = map(fd, 8 * MIB, PROT_READ, MAP_PRIVATE);
  CHECK(pwrite(fd, "F", 1, 7 * MIB) == 1 && at[7 * MIB] == 'F');
}

static void shared_is_the_file(void) {
  int fd = file_of(2 * PAGE);
  char* one = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  char* two = map(fd, 2 * PAGE, PROT_READ, MAP_SHARED);
  char byte;
  one[5] = '5';
  CHECK(two[5] == '5' && pread(fd, &byte, 1, 5) == 1 && byte == '5');
  CHECK(pwrite(fd, "6", 1, PAGE + 6) == 1 && one[PAGE + 6] == '6' && two[PAGE + 6] == '6');
  CHECK(msync(one, 2 * PAGE, MS_SYNC) == 0 && msync(one, 2 * PAGE, MS_ASYNC | MS_INVALIDATE) == 0);
  CHECK(write_to(two) == SIGSEGV);
  pid_t child = fork();
  if (child == 0) {
    one[7] = '7';
    _exit(0);
  }
  CHECK(waitpid(child, NULL, 0) == child && two[7] == '7');
}

static void shared_stays_after_unmap(void) {
  int fd = file_of(600 * PAGE);
  char* at = map(fd, 600 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  for (int i = 0; i < 600; ++i) at[i * PAGE + 9] = (char)i;
  CHECK(munmap(at, 600 * PAGE) == 0);
  for (int i = 0; i < 600; ++i) {
    char byte;
    CHECK(pread(fd, &byte, 1, i * PAGE + 9) == 1 && byte == (char)i);
  }
}

// More than is mapped at once: calls must find pages that nobody has touched.
static void calls_on_untouched_pages(void) {
  const size_t size = 8 * MIB;
  int fd = file_of(size), out = file_of(PAGE), fds[2];
  char* at = map(fd, size, PROT_READ, MAP_PRIVATE);
  CHECK(pwrite(out, at + 5 * MIB, 100000, 0) == 100000);
  char* to = map(fd, size, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  CHECK(pread(out, to + 6 * MIB, 100000, 0) == 100000 && memcmp(to + 6 * MIB, at + 5 * MIB, 100000) == 0);
  char* shared = map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED);
  CHECK(pread(out, shared + 7 * MIB, 5000, 0) == 5000 && memcmp(shared + 7 * MIB, at + 5 * MIB, 5000) == 0);
  CHECK(pipe(fds) == 0 && write(fds[1], at + 4 * MIB, 10) == 10 &&
        read(fds[0], to + 3 * MIB + 4090, 10) == 10);
  CHECK(memcmp(to + 3 * MIB + 4090, at + 4 * MIB, 10) == 0);
  struct stat* info = (struct stat*)(to + 2 * MIB + 512 * PAGE);
  CHECK(fstat(fd, info) == 0 && info->st_size == (off_t)size);
  strcpy(to + 7 * MIB + PAGE, "/tmp");
  CHECK(access(to + 7 * MIB + PAGE, F_OK) == 0);
  int* word = (int*)(shared + 6 * MIB + 512 * PAGE);
  pthread_mutexattr_t how;
  pthread_mutexattr_init(&how);
  pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
  CHECK(pthread_mutex_init((pthread_mutex_t*)word, &how) == 0 &&
        pthread_mutex_lock((pthread_mutex_t*)word) == 0);
}

static void truncated(void) {
  int fd = file_of(8 * PAGE);
  CHECK(ftruncate(fd, PAGE) == 0);
  char* at = map(fd, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  CHECK(touch(at) == 0 && touch(at + PAGE) == SIGBUS);
  CHECK(ftruncate(fd, 3 * PAGE) == 0);
  CHECK(touch(at + 2 * PAGE) == 0 && at[2 * PAGE] == 0 && touch(at + 3 * PAGE) == SIGBUS);
  at[2 * PAGE] = 'n';
  char byte;
  CHECK(pread(fd, &byte, 1, 2 * PAGE) == 1 && byte == 'n');
}

static void memfd(void) {
  int fd = memfd_create("some", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  CHECK(fd >= 0 && ftruncate(fd, 3 * MIB) == 0);
  char* at = map(fd, 3 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED);
  at[2 * MIB + 5] = 'm';
  char byte;
  CHECK(pread(fd, &byte, 1, 2 * MIB + 5) == 1 && byte == 'm');
  CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0 && ftruncate(fd, 0) == -1 && errno == EPERM);
  CHECK(munmap(at, 3 * MIB) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
  CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
  CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);
}

static void shm_between_processes(void) {
  int fd = shm_open("/some", O_CREAT | O_RDWR | O_EXCL, 0600);
  CHECK(fd >= 0 && ftruncate(fd, PAGE) == 0);
  pid_t child = fork();
  if (child == 0) {
    volatile char* mine = map(shm_open("/some", O_RDWR, 0), PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    mine[0] = 'c';
    while (mine[1] != 'p') {
    }
    _exit(4);
  }
  volatile char* ours = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  while (ours[0] != 'c') {
  }
  ours[1] = 'p';
  int status;
  CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 4 && shm_unlink("/some") == 0);
}

// What /proc/self/maps has about the page at `at`: its protection, or "" if it has nothing. `named`: with that name.
static const char* shown(const void* at, const char* named) {
  static char protection[5];
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[500];
  int found = 0;
  while (!found && fgets(line, sizeof line, maps) != NULL) {
    unsigned long start, end;
    CHECK(sscanf(line, "%lx-%lx %4s", &start, &end, protection) == 3);
    found = start <= (unsigned long)at && (unsigned long)at < end &&
            (named == NULL || strstr(line, named) != NULL);
  }
  fclose(maps);
  return found ? protection : "";
}

static int attached(int id) {
  struct shmid_ds segment;
  CHECK(shmctl(id, IPC_STAT, &segment) == 0);
  return (int)segment.shm_nattch;
}

static void segments(void) {
  const int id = shmget(IPC_PRIVATE, MIB + 5, IPC_CREAT | 0600);
  CHECK(id >= 0);
  char* at = shmat(id, NULL, 0);
  CHECK(at != (void*)-1 && attached(id) == 1);
  for (int i = 0; i < MIB; i += PAGE) CHECK(at[i] == 0);
  strcpy(at + 700 * 1024, "there");
  CHECK(touch(at + MIB + PAGE) != 0 || *shown(at + MIB + PAGE, NULL) != 0);

  char* same = shmat(id, NULL, SHM_RDONLY);
  CHECK(same != (void*)-1 && same != at && strcmp(same + 700 * 1024, "there") == 0 && attached(id) == 2);
  CHECK(write_to(same) == SIGSEGV);
  CHECK(strcmp(shown(same, "SYSV"), "r--s") == 0);
  CHECK(shmdt(same) == 0 && attached(id) == 1 && touch(same) == SIGSEGV);
  CHECK(shmdt(same) == -1 && errno == EINVAL);

  const pid_t child = fork();
  if (child == 0) {
    CHECK(strcmp(at + 700 * 1024, "there") == 0 && attached(id) == 2);
    strcpy(at + 900 * 1024, "from the child");
    _exit(0);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0 && attached(id) == 1);
  CHECK(strcmp(at + 900 * 1024, "from the child") == 0);

  // At a place of one's own, which must be free unless SHM_REMAP is said.
  char* place = map(-1, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  CHECK(shmat(id, place, 0) == (void*)-1 && errno == EINVAL);
  CHECK(shmat(id, place + 1, SHM_REMAP) == (void*)-1 && errno == EINVAL);
  CHECK(shmat(id, place + 1, SHM_REMAP | SHM_RND) == place && strcmp(place + 700 * 1024, "there") == 0);
  CHECK(mprotect(place + PAGE, PAGE, PROT_READ) == 0);
  CHECK(shmdt(place) == 0 && touch(place) == SIGSEGV && touch(place + MIB) == SIGSEGV);

  CHECK(shmctl(id, IPC_RMID, NULL) == 0 && strcmp(at + 700 * 1024, "there") == 0);
  CHECK(shmat(999999, NULL, 0) == (void*)-1 && errno == EINVAL);
  CHECK(shmdt(at) == 0 && shmat(id, NULL, 0) == (void*)-1 && errno == EINVAL);
}

static void anonymous_shared(void) {
  int* at = (int*)map(-1, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  for (int i = 0; i < 4; ++i)
    if (fork() == 0) {
      __atomic_fetch_add(at, 1, __ATOMIC_SEQ_CST);
      _exit(0);
    }
  for (int i = 0; i < 4; ++i) CHECK(wait(NULL) > 0);
  CHECK(*at == 4);
}

static void remaps(void) {
  char* at = map(-1, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  strcpy(at + 3 * PAGE, "kept");
  at = mremap(at, 4 * PAGE, 4000 * PAGE, MREMAP_MAYMOVE);
  CHECK(at != MAP_FAILED && strcmp(at + 3 * PAGE, "kept") == 0 && touch(at + 3999 * PAGE) == 0);
  CHECK(mremap(at, 4000 * PAGE, 4 * PAGE, 0) == at && touch(at + 4 * PAGE) == SIGSEGV);
  int fd = file_of(8 * PAGE);
  char* file = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  file[1] = '1';
  file = mremap(file, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
  CHECK(file != MAP_FAILED && file[1] == '1' && file[7 * PAGE] == 'h');
  file[6 * PAGE] = '6';
  char byte;
  CHECK(pread(fd, &byte, 1, 6 * PAGE) == 1 && byte == '6');
}

static void remaps_private(void) {
  int fd = file_of(8 * PAGE);
  char* private = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  private[0] = 'p';
  private = mremap(private, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
  CHECK(private != MAP_FAILED && private[0] == 'p' && private[1] == 'a' && private[3 * PAGE] == 'd');
}

static void protects(void) {
  int fd = file_of(8 * PAGE);
  char* at = map(fd, 8 * PAGE, PROT_READ, MAP_PRIVATE);
  CHECK(write_to(at) == SIGSEGV && mprotect(at, 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
  CHECK(write_to(at) == 0 && write_to(at + PAGE) == 0 && write_to(at + 2 * PAGE) == SIGSEGV);
  at[0] = 'W';
  CHECK(mprotect(at, 8 * PAGE, PROT_NONE) == 0 && touch(at) == SIGSEGV && touch(at + 7 * PAGE) == SIGSEGV);
  CHECK(mprotect(at, 8 * PAGE, PROT_READ) == 0 && at[0] == 'W' && at[7 * PAGE] == 'h');
  char* shared = map(fd, 8 * PAGE, PROT_READ, MAP_SHARED);
  CHECK(write_to(shared) == SIGSEGV && mprotect(shared, PAGE, PROT_READ | PROT_WRITE) == 0 &&
        write_to(shared) == 0);
  shared[3] = 'S';
  char byte;
  CHECK(pread(fd, &byte, 1, 3) == 1 && byte == 'S');
  int reader = open("/usr/bin/env", O_RDONLY);
  char* file = map(reader, PAGE, PROT_READ, MAP_SHARED);
  CHECK(mprotect(file, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
  CHECK(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED && errno == EACCES);
  // A page that was not there when it was protected.
  fd = file_of(4 * MIB);
  char* big = map(fd, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  CHECK(mprotect(big + 3 * MIB, PAGE, PROT_NONE) == 0 && touch(big + 3 * MIB) == SIGSEGV &&
        touch(big + 3 * MIB + PAGE) == 0);
}

static void replaces(void) {
  int fd = file_of(4 * PAGE);
  char* at = map(-1, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  at[0] = 'x';
  CHECK(mmap(at + PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, PAGE) == at + PAGE);
  CHECK(at[0] == 'x' && at[PAGE] == 'b' && at[2 * PAGE] == 'c' && at[3 * PAGE] == 0);
  CHECK(mmap(at + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at + PAGE &&
        at[PAGE] == 0 && at[2 * PAGE] == 'c');
  CHECK(mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
        errno == EEXIST);
  CHECK(munmap(at + PAGE, 2 * PAGE) == 0 && touch(at + 2 * PAGE) == SIGSEGV && touch(at + 3 * PAGE) == 0);
}

static void refuses(void) {
  int fd = file_of(PAGE);
  CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
  CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 77, 0) == MAP_FAILED && errno == EBADF);
  CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 5) == MAP_FAILED && errno == EINVAL);
  CHECK(mmap(NULL, PAGE, PROT_READ, 0, fd, 0) == MAP_FAILED && errno == EINVAL);
  CHECK(munmap((void*)5, PAGE) == -1 && errno == EINVAL);
  CHECK(mprotect((void*)(PAGE * 16), PAGE, PROT_READ) == -1 && errno == ENOMEM);
  // Where the run-time and the kernel are, there is nothing to have.
  char* ours = (char*)(31UL << 40);
  CHECK(munmap(ours, PAGE) == -1 && mprotect(ours, PAGE, PROT_READ | PROT_WRITE) == -1);
  CHECK(mmap(ours, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
  CHECK(read(open("/dev/zero", O_RDONLY), ours, 100) == -1 && errno == EFAULT);
  char* volatile nowhere = (char*)8;
  CHECK(read(open("/proc/self/stat", O_RDONLY), nowhere, 9) == -1 && errno == EFAULT);
}

static void the_break(void) {
  char* start = sbrk(0);
  CHECK(start != (void*)-1 && sbrk(10 * MIB) == start);
  memset(start, 1, 10 * MIB);
  CHECK(brk(start) == 0 && sbrk(0) == start && touch(start + 2 * PAGE) == SIGSEGV &&
        sbrk(PAGE * 4) == start && start[2 * PAGE] == 0);
}

static void advice(void) {
  char* at = map(-1, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  memset(at, 7, 64 * PAGE);
  CHECK(madvise(at, 32 * PAGE, MADV_DONTNEED) == 0 && at[0] == 0 && at[32 * PAGE] == 7);
  int fd = file_of(4 * PAGE);
  char* file = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  file[0] = 'W';
  CHECK(madvise(file, 4 * PAGE, MADV_DONTNEED) == 0 && file[0] == 'a');
  CHECK(madvise(file, 4 * PAGE, MADV_WILLNEED) == 0 && madvise(file, 4 * PAGE, MADV_SEQUENTIAL) == 0);
  unsigned char in[64];
  CHECK(mincore(at, 64 * PAGE, in) == 0 && mlock(at, PAGE) == 0 && munlock(at, PAGE) == 0);
}

// Other threads' pages come and go while calls use them.
// Pages come along with the one that is touched, but never over one that was written: backwards, in between,
// and by a child's other mapping.
static void written_pages_stay(void) {
  enum { COUNT = 1000, STEP = 7 };
  int fd = file_of(COUNT * PAGE);
  char* at = map(fd, COUNT * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  for (int i = COUNT - 1; i >= 0; i -= STEP) memset(at + i * PAGE, '!', PAGE);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < COUNT; ++i) {
      const char wanted = (char)((COUNT - 1 - i) % STEP == 0 ? '!' : 'a' + i % 26);
      CHECK(at[i * PAGE] == wanted && at[i * PAGE + PAGE - 1] == wanted);
    }
  }
  pid_t child = fork();
  if (child == 0) {
    for (int i = 1; i < COUNT; i += STEP) at[i * PAGE] = '?';
    char* again = mmap(at + 500 * PAGE, 500 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
    CHECK(again == at + 500 * PAGE);
    again[300 * PAGE] = '?';
    CHECK(again[299 * PAGE] == 'a' + 299 % 26 && again[300 * PAGE] == '?' &&
          again[301 * PAGE] == 'a' + 301 % 26);
    for (int i = 1; i < 500; i += STEP) CHECK(at[i * PAGE] == '?');
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0 && at[PAGE] == 'b');
}

static char* volatile racing;
static void* reads_all(void* unused) {
  for (int i = 0; i < 600; ++i) CHECK(racing[i * PAGE] != 0);
  return unused;
}

// While others touch what lies before and behind.
static void written_pages_stay_among_threads(void) {
  int fd = file_of(600 * PAGE);
  for (int round = 0; round < 20; ++round) {
    pthread_t threads[3];
    racing = map(fd, 600 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    for (int i = 0; i < 3; ++i) CHECK(pthread_create(&threads[i], NULL, reads_all, NULL) == 0);
    for (int i = 599; i >= 0; i -= 3) racing[i * PAGE + 1] = '!';
    for (int i = 0; i < 3; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 599; i >= 0; i -= 3) CHECK(racing[i * PAGE + 1] == '!' && racing[i * PAGE] == 'a' + i % 26);
    CHECK(munmap(racing, 600 * PAGE) == 0);
  }
}

static volatile int stop;
static void* maps_and_unmaps(void* fd) {
  while (!stop) {
    char* at = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, *(int*)fd, 0);
    CHECK(at != MAP_FAILED);
    at[3 * PAGE] = 'x';
    CHECK(munmap(at, 16 * PAGE) == 0);
  }
  return NULL;
}

static void threads_map(void) {
  pthread_t threads[4];
  int fd = file_of(16 * PAGE);
  for (int i = 0; i < 4; ++i) CHECK(pthread_create(&threads[i], NULL, maps_and_unmaps, &fd) == 0);
  for (int i = 0; i < 50; ++i) {
    pid_t child = fork();
    if (child == 0) {
      char* at = map(fd, 16 * PAGE, PROT_READ, MAP_PRIVATE);
      _exit(at[3 * PAGE] == 'd' ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  stop = 1;
  for (int i = 0; i < 4; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
}

static void stack_is_known(void) {
  pthread_attr_t attributes;
  void* at;
  size_t size;
  CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0 &&
        pthread_attr_getstack(&attributes, &at, &size) == 0);
  CHECK((char*)&at >= (char*)at && (char*)&at < (char*)at + size && size >= 1 * MIB);
  // As far down as is promised.
  CHECK(touch((char*)at + size - 7 * MIB) == 0);
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[500];
  int found = 0;
  while (fgets(line, sizeof line, maps) != NULL) {
    unsigned long start, end;
    CHECK(sscanf(line, "%lx-%lx", &start, &end) == 2);
    if (strstr(line, "[stack]") != NULL) found = start <= (unsigned long)&at && (unsigned long)&at < end;
  }
  CHECK(found);
}

static void maps_show_what_is_there(void) {
  char* at = map(-1, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  CHECK(strcmp(shown(at, NULL), "rw-p") == 0 && strcmp(shown(at + 4 * PAGE, NULL), "rw-p") == 0);
  CHECK(mprotect(at + PAGE, PAGE, PROT_READ) == 0 && mprotect(at + 2 * PAGE, PAGE, PROT_NONE) == 0);
  CHECK(strcmp(shown(at, NULL), "rw-p") == 0 && strcmp(shown(at + PAGE, NULL), "r--p") == 0);
  CHECK(strcmp(shown(at + 2 * PAGE, NULL), "---p") == 0);
  CHECK(munmap(at + 3 * PAGE, PAGE) == 0 && strcmp(shown(at + 3 * PAGE, NULL), "") == 0);
  char* moved = mremap(at + 4 * PAGE, PAGE, 64 * PAGE, MREMAP_MAYMOVE);
  CHECK(moved != MAP_FAILED && strcmp(shown(moved + 63 * PAGE, NULL), "rw-p") == 0);
  CHECK(moved == at + 4 * PAGE || strcmp(shown(at + 4 * PAGE, NULL), "") == 0);
  char* top = sbrk(3 * MIB);
  CHECK(strcmp(shown(top + 2 * MIB, "[heap]"), "rw-p") == 0);
  const pid_t child = fork();
  if (child == 0)
    _exit(strcmp(shown(at + PAGE, NULL), "r--p") == 0 && munmap(at, PAGE) == 0 && *shown(at, NULL) == 0 ? 0
                                                                                                        : 1);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(strcmp(shown(at, NULL), "rw-p") == 0);
  CHECK(sbrk(-2 * MIB) != (void*)-1 && *shown(top + 2 * MIB, NULL) == 0);
  // They tell where memory is. What is in it a file cannot: better an error than zeros.
  strcpy(at, "secret");
  char read[8] = "";
  const int memory = open("/proc/self/mem", O_RDONLY);
  CHECK(memory >= 0 &&
        (pread(memory, read, 6, (off_t)(unsigned long)at) == -1 || strcmp(read, "secret") == 0));
  close(memory);
}

static void the_limit_on_addresses(void) {
  const struct rlimit most = {1UL << 30, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
  CHECK(setrlimit(RLIMIT_AS, &most) == 0);
  CHECK(mmap(NULL, 2UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED &&
        errno == ENOMEM);
  CHECK(sbrk(1100 * MIB) == (void*)-1 && errno == ENOMEM);
  char* at = map(-1, 500 * (size_t)MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  CHECK(munmap(at, 500 * (size_t)MIB) == 0);
  map(-1, 900 * (size_t)MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  CHECK(setrlimit(RLIMIT_AS, &none) == 0);
  map(-1, 2UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
}

static void much_memory(void) {
  const size_t size = 2000UL * MIB;
  char* at = map(-1, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  for (size_t i = 0; i < 300 * (size_t)MIB; i += PAGE) at[i] = 1;
  CHECK(munmap(at, size) == 0);
  CHECK(mmap(NULL, 1UL << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED);
}

static const struct test_case cases[] = {
    {"private_is_coherent_until_written", private_is_coherent_until_written},
    {"shared_is_the_file", shared_is_the_file},
    {"shared_stays_after_unmap", shared_stays_after_unmap},
    {"calls_on_untouched_pages", calls_on_untouched_pages},
    {"truncated", truncated},
    {"memfd", memfd},
    {"shm_between_processes", shm_between_processes},
    {"segments", segments},
    {"anonymous_shared", anonymous_shared},
    {"remaps", remaps},
    {"remaps_private", remaps_private},
    {"protects", protects},
    {"replaces", replaces},
    {"refuses", refuses},
    {"the_break", the_break},
    {"advice", advice},
    {"written_pages_stay", written_pages_stay},
    {"written_pages_stay_among_threads", written_pages_stay_among_threads},
    {"threads_map", threads_map},
    {"stack_is_known", stack_is_known},
    {"maps_show_what_is_there", maps_show_what_is_there},
    {"the_limit_on_addresses", the_limit_on_addresses},
    {"much_memory", much_memory},
};

MAIN(cases)
