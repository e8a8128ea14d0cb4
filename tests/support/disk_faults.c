/* Makes the disk of a program fail when a test says so (LD_PRELOAD). The file that DISK_FAULTS names
   holds lines "CALL ERRNO", looked at before each call: create, unnamed (O_TMPFILE), write, fsync,
   fsync-folder, syncfs, written (what an earlier write left behind), rename (that which replaces
   nothing), link (linkat, too), link-descriptor (AT_EMPTY_PATH), mkdir. Only files whose path contains
   DISK_FAULTS_BELOW are meant. Each wait for the disk is a line of the file that DISK_WAITS names, if
   any. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fault(const char *call) {
  const char *path = getenv("DISK_FAULTS");
  char text[512], name[64];
  int number, file, used, result = 0;
  ssize_t size;
  /* open() is one of those that may have to fail. */
  if (path == NULL || (file = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC)) < 0) return 0;
  size = read(file, text, sizeof text - 1);
  close(file);
  if (size <= 0) return 0;
  text[size] = '\0';
  for (const char *at = text; sscanf(at, "%63s %d\n%n", name, &number, &used) == 2; at += used) {
    if (strcmp(name, call) == 0) result = number;
  }
  return result;
}

static void note(const char *call) {
  const char *path = getenv("DISK_WAITS");
  const int file = path == NULL ? -1 : openat(AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT, 0600);
  if (file < 0) return;
  dprintf(file, "%s\n", call);
  close(file);
}

static int is_meant(int fd, int *is_folder) {
  char link[64], path[4096];
  struct stat info;
  const char *below = getenv("DISK_FAULTS_BELOW");
  ssize_t size;
  if (below == NULL || fstat(fd, &info) != 0) return 0;
  *is_folder = S_ISDIR(info.st_mode);
  if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = '\0';
  return strstr(path, below) != NULL;
}

int fsync(int fd) {
  static int (*real)(int);
  int is_folder = 0, number;
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "fsync");
  if (is_meant(fd, &is_folder)) {
    const char *call = is_folder ? "fsync-folder" : "fsync";
    note(call);
    if ((number = fault(call)) != 0) {
      errno = number;
      return -1;
    }
  }
  return real(fd);
}

ssize_t write(int fd, const void *bytes, size_t size) {
  static ssize_t (*real)(int, const void *, size_t);
  int is_folder = 0, number;
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "write");
  if (is_meant(fd, &is_folder) && (number = fault("write")) != 0) {
    /* As a disk that fills: a part of it still fits. */
    if (number == ENOSPC && size > 100) return real(fd, bytes, 100);
    errno = number;
    return -1;
  }
  return real(fd, bytes, size);
}

static int fault_at(const char *path, const char *call) {
  const char *below = getenv("DISK_FAULTS_BELOW");
  if (below == NULL || strstr(path, below) == NULL) return 0;
  return fault(call);
}

int renameat2(int from, const char *old_path, int to, const char *new_path, unsigned flags) {
  static int (*real)(int, const char *, int, const char *, unsigned);
  const int number = fault_at(new_path, "rename");
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "renameat2");
  if (number == 0) return real(from, old_path, to, new_path, flags);
  errno = number;
  return -1;
}

int link(const char *old_path, const char *new_path) {
  static int (*real)(const char *, const char *);
  const int number = fault_at(new_path, "link");
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "link");
  if (number == 0) return real(old_path, new_path);
  errno = number;
  return -1;
}

int linkat(int from, const char *old_path, int to, const char *new_path, int flags) {
  static int (*real)(int, const char *, int, const char *, int);
  int number = fault_at(new_path, "link");
  if (number == 0 && (flags & AT_EMPTY_PATH) != 0) number = fault_at(new_path, "link-descriptor");
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "linkat");
  if (number == 0) return real(from, old_path, to, new_path, flags);
  errno = number;
  return -1;
}

int mkdir(const char *path, mode_t mode) {
  static int (*real)(const char *, mode_t);
  const int number = fault_at(path, "mkdir");
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "mkdir");
  if (number == 0) return real(path, mode);
  errno = number;
  return -1;
}

int open(const char *path, int flags, ...) {
  static int (*real)(const char *, int, ...);
  int number = 0;
  mode_t mode = 0;
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "open");
  const int is_unnamed = (flags & O_TMPFILE) == O_TMPFILE;
  if ((flags & O_CREAT) != 0 || is_unnamed) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
    number = fault_at(path, is_unnamed ? "unnamed" : "create");
  }
  if (number == 0) return real(path, flags, mode);
  errno = number;
  return -1;
}

int syncfs(int fd) {
  static int (*real)(int);
  int is_folder = 0, number;
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "syncfs");
  if (is_meant(fd, &is_folder)) {
    note("syncfs");
    if ((number = fault("syncfs")) != 0) {
      errno = number;
      return -1;
    }
  }
  return real(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t count, unsigned flags) {
  static int (*real)(int, off64_t, off64_t, unsigned);
  int is_folder = 0, number;
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "sync_file_range");
  if ((flags & SYNC_FILE_RANGE_WAIT_BEFORE) != 0 && is_meant(fd, &is_folder) && !is_folder &&
      (number = fault("written")) != 0) {
    errno = number;
    return -1;
  }
  return real(fd, offset, count, flags);
}
