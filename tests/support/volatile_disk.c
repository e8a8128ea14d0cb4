/* A disk with a cache that the power takes with it, as a file for a loop device: volatile_disk DIR SIZE
   mounts DIR (FUSE, in the foreground) with two files of SIZE bytes.

   disk          what is written to it is on the platter when fsync(2), which a loop device calls for
                 a flush, has returned
   after-a-loss  what a loss of power at the moment of open(2) leaves: what is on the platter, and of each
                 block in the cache either its new or its old content, as chance has it */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <fuse3/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { kSector = 512 }; /* what a disk writes whole or not at all */

static size_t size;
static char *cached, *platter, *after;
static unsigned char *dirty; /* one a sector */

static int is_disk(const char *path) { return strcmp(path, "/disk") == 0; }
static int is_after(const char *path) { return strcmp(path, "/after-a-loss") == 0; }

static void write_back(size_t sector, char *to) {
  memcpy(to + sector * kSector, cached + sector * kSector, kSector);
}

static int on_getattr(const char *path, struct stat *info, struct fuse_file_info *file) {
  (void)file;
  memset(info, 0, sizeof *info);
  if (strcmp(path, "/") == 0) {
    info->st_mode = S_IFDIR | 0700;
    info->st_nlink = 2;
    return 0;
  }
  if (!is_disk(path) && !is_after(path)) return -ENOENT;
  info->st_mode = S_IFREG | 0600;
  info->st_nlink = 1;
  info->st_size = (off_t)size;
  return 0;
}

static int on_open(const char *path, struct fuse_file_info *file) {
  if (is_disk(path)) return 0;
  if (!is_after(path)) return -ENOENT;
  file->direct_io = 1; /* each time another: nothing of it may be kept */
  memcpy(after, platter, size);
  for (size_t sector = 0; sector < size / kSector; ++sector) {
    if (dirty[sector] && rand() % 2 == 0) write_back(sector, after);
  }
  return 0;
}

static int on_read(const char *path, char *to, size_t count, off_t at, struct fuse_file_info *file) {
  (void)file;
  if ((size_t)at >= size) return 0;
  if (count > size - (size_t)at) count = size - (size_t)at;
  memcpy(to, (is_disk(path) ? cached : after) + at, count);
  return (int)count;
}

static int on_write(const char *path, const char *from, size_t count, off_t at, struct fuse_file_info *file) {
  (void)file;
  if (!is_disk(path)) return -EACCES;
  if ((size_t)at >= size || count > size - (size_t)at) return -ENOSPC;
  memcpy(cached + at, from, count);
  for (size_t sector = (size_t)at / kSector; sector * kSector < (size_t)at + count; ++sector) dirty[sector] = 1;
  return (int)count;
}

static int on_fsync(const char *path, int data_only, struct fuse_file_info *file) {
  (void)data_only, (void)file;
  if (!is_disk(path)) return 0;
  for (size_t sector = 0; sector < size / kSector; ++sector) {
    if (dirty[sector]) write_back(sector, platter);
    dirty[sector] = 0;
  }
  return 0;
}

static const struct fuse_operations operations = {
    .getattr = on_getattr, .open = on_open, .read = on_read, .write = on_write, .fsync = on_fsync};

static char *zeros(size_t count) {
  char *memory = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) exit(1);
  return memory;
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: volatile_disk DIR SIZE\n");
    return 2;
  }
  size = strtoull(arguments[2], NULL, 10) / kSector * kSector;
  cached = zeros(size);
  platter = zeros(size);
  after = zeros(size);
  dirty = (unsigned char *)zeros(size / kSector);
  srand((unsigned)time(NULL));
  /* One thread: what opens after-a-loss comes between two requests of the disk. */
  char *fuse[] = {arguments[0], "-f", "-s", arguments[1], NULL};
  return fuse_main(4, fuse, &operations, NULL);
}
