/* A disk that fails as it is told: stands between a process and its system calls.
 *
 * The file that DISK_ORDERS names says "<errno> <what> <skip> <times> <word>": calls of that kind on
 * regular files whose path has the word in it fail with that number, the first <skip> of them left out,
 * so many times (0 is for as long as the file says so). What: "write", "sync", or "grow", which is every
 * write behind a file's end, as on a disk without room. Without the file nothing fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char last[256];
static long seen;

static int fails(int file, const char *what, off_t end) {
  const char *at = getenv("DISK_ORDERS");
  if (!at) return 0;
  int orders = syscall(SYS_openat, AT_FDCWD, at, O_RDONLY);
  if (orders < 0) return 0;
  char text[256];
  long length = syscall(SYS_read, orders, text, sizeof text - 1);
  syscall(SYS_close, orders);
  if (length <= 0) return 0;
  text[length] = 0;
  int error;
  char kind[16], word[64], link[64], path[512];
  long skip, times;
  if (sscanf(text, "%d %15s %ld %ld %63s", &error, kind, &skip, &times, word) != 5) return 0;
  int grows = !strcmp(kind, "grow") && !strcmp(what, "write");
  if (!grows && strcmp(kind, what)) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  long named = readlink(link, path, sizeof path - 1);
  if (named <= 0 || path[0] != '/') return 0;
  path[named] = 0;
  struct stat is;
  if (!strstr(path, word) || fstat(file, &is) || !S_ISREG(is.st_mode)) return 0;
  if (grows && end <= is.st_size) return 0;
  pthread_mutex_lock(&turn);
  if (strcmp(last, text)) {
    strcpy(last, text);
    seen = 0;
  }
  long number = seen++;
  pthread_mutex_unlock(&turn);
  if (number < skip || (times && number >= skip + times)) return 0;
  errno = error;
  return 1;
}

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

ssize_t write(int file, const void *bytes, size_t count) {
  off_t at = lseek(file, 0, SEEK_CUR);
  if (fails(file, "write", at + (off_t)count)) return -1;
  return REAL(write, file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
  if (fails(file, "write", at + (off_t)count)) return -1;
  return REAL(pwrite, file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
  if (fails(file, "write", (off_t)at + (off_t)count)) return -1;
  return REAL(pwrite64, file, bytes, count, at);
}

int fsync(int file) { return fails(file, "sync", 0) ? -1 : REAL(fsync, file); }

int fdatasync(int file) { return fails(file, "sync", 0) ? -1 : REAL(fdatasync, file); }
