/* Makes the disk of a program fail when a test says so (LD_PRELOAD). The file that DISK_FAULTS names
   holds lines "CALL ERRNO", looked at before each call: write, fsync, fsync-folder, rename. Only
   files whose path contains DISK_FAULTS_BELOW are meant. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
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
  if (path == NULL || (file = open(path, O_RDONLY | O_CLOEXEC)) < 0) return 0;
  size = read(file, text, sizeof text - 1);
  close(file);
  if (size <= 0) return 0;
  text[size] = '\0';
  for (const char *at = text; sscanf(at, "%63s %d\n%n", name, &number, &used) == 2; at += used) {
    if (strcmp(name, call) == 0) result = number;
  }
  return result;
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
  if (is_meant(fd, &is_folder) && (number = fault(is_folder ? "fsync-folder" : "fsync")) != 0) {
    errno = number;
    return -1;
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

int renameat2(int from, const char *old_path, int to, const char *new_path, unsigned flags) {
  static int (*real)(int, const char *, int, const char *, unsigned);
  const char *below = getenv("DISK_FAULTS_BELOW");
  int number;
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "renameat2");
  if (below != NULL && strstr(new_path, below) != NULL && (number = fault("rename")) != 0) {
    errno = number;
    return -1;
  }
  return real(from, old_path, to, new_path, flags);
}
