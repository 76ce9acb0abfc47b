/* Stands between a program and its disk (LD_PRELOAD). Two duties, both for files below BELFRY_SHIM_DIR only:
 *
 * Journal: every write, truncation, sync and change of names is appended to the file BELFRY_SHIM_JOURNAL, in the
 * order in which they can count: a write after it was made, a sync before it begins and again when it is done.
 *
 * Faults: while the file BELFRY_SHIM_FAULT exists, what it names ("write" or "sync") fails with the error number
 * that follows ("write 30").
 *
 * The write-ahead index (`-shm`) is mapped memory that is made anew at every start: it is in no journal. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, UNLINK, RENAME, LINK, MKDIR };
enum { CREATED = 1, EMPTIED = 2 };
enum { FDS = 65536 };

struct record {
    uint32_t op;
    uint32_t path_bytes;
    uint64_t file;
    uint64_t at;
    uint64_t data_bytes;
};

static const char *dir, *fault;
static size_t dir_bytes;
static int journal = -1;
static uint64_t file_of[FDS]; /* 0: none of ours */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

#define NEXT(name, result, ...) \
    static result (*next_##name)(__VA_ARGS__); \
    if (!next_##name) next_##name = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static int real_open(const char *path, int flags, mode_t mode) {
    NEXT(open64, int, const char *, int, ...);
    return next_open64(path, flags, mode);
}

__attribute__((constructor)) static void start(void) {
    dir = getenv("BELFRY_SHIM_DIR");
    fault = getenv("BELFRY_SHIM_FAULT");
    const char *name = getenv("BELFRY_SHIM_JOURNAL");
    if (dir) dir_bytes = strlen(dir);
    if (name) journal = real_open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int ours(const char *path) {
    return dir && path && !strncmp(path, dir, dir_bytes) && (path[dir_bytes] == '/' || !path[dir_bytes]);
}

static int is_index(const char *path) {
    size_t bytes = strlen(path);
    return bytes > 4 && !strcmp(path + bytes - 4, "-shm");
}

static int journaled(const char *path) { return journal >= 0 && ours(path) && !is_index(path); }

static void note(uint32_t op, uint64_t file, uint64_t at, const char *path, const void *data, size_t data_bytes) {
    if (journal < 0) return;
    int before = errno;
    struct record record = {op, path ? strlen(path) : 0, file, at, data_bytes};
    struct iovec parts[3] = {
        {&record, sizeof record}, {(void *)path, record.path_bytes}, {(void *)data, data_bytes}};
    NEXT(writev, ssize_t, int, const struct iovec *, int);
    pthread_mutex_lock(&order);
    ssize_t written = next_writev(journal, parts, 3);
    pthread_mutex_unlock(&order);
    if (written != (ssize_t)(sizeof record + record.path_bytes + data_bytes)) abort();
    errno = before;
}

/* The error that an operation of this class has to fail with; 0: none. */
static int failing(const char *class) {
    if (!fault || access(fault, F_OK)) return 0;
    int before = errno, fd = real_open(fault, O_RDONLY | O_CLOEXEC, 0);
    char text[32] = {0};
    NEXT(read, ssize_t, int, void *, size_t);
    if (fd >= 0) {
        if (next_read(fd, text, sizeof text - 1) < 0) text[0] = 0;
        NEXT(close, int, int);
        next_close(fd);
    }
    errno = before;
    size_t bytes = strlen(class);
    return !strncmp(text, class, bytes) && text[bytes] == ' ' ? atoi(text + bytes + 1) : 0;
}

#define FAIL_IF(condition, class) \
    do { \
        int error = (condition) ? failing(class) : 0; \
        if (error) { errno = error; return -1; } \
    } while (0)

static uint64_t file(int fd) { return fd >= 0 && fd < FDS ? file_of[fd] : 0; }

static int opened(const char *given, int flags, mode_t mode) {
    char path[PATH_MAX];
    /* Names of a folder that is found by another way are not ours. */
    if (!given || strlen(given) >= sizeof path) return real_open(given, flags, mode);
    strcpy(path, given);
    FAIL_IF(ours(path) && (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)), "write");
    int created = (flags & O_CREAT) && access(path, F_OK) != 0;
    int fd = real_open(path, flags, mode);
    if (fd < 0 || fd >= FDS || !dir) return fd;
    file_of[fd] = 0;
    struct stat is;
    if (ours(path) && !is_index(path) && fstat(fd, &is) == 0) {
        /* Faults need the mark too, also where there is no journal. */
        file_of[fd] = is.st_ino;
        note(OPEN, is.st_ino, (created ? CREATED : 0) | ((flags & O_TRUNC) ? EMPTIED : 0), path, NULL, 0);
    }
    return fd;
}

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return opened(path, flags, mode); \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name) \
    int name(int at, const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        NEXT(name, int, int, const char *, int, ...); \
        return at == AT_FDCWD ? opened(path, flags, mode) : next_##name(at, path, flags, mode); \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

int creat(const char *path, mode_t mode) { return opened(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return opened(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd) {
    NEXT(close, int, int);
    if (fd >= 0 && fd < FDS) file_of[fd] = 0;
    return next_close(fd);
}

static ssize_t written_at(int fd, const void *data, ssize_t bytes, uint64_t at) {
    if (bytes > 0) note(WRITE, file(fd), at, NULL, data, bytes);
    return bytes;
}

#define PWRITES(name, offset_t) \
    ssize_t name(int fd, const void *data, size_t bytes, offset_t at) { \
        NEXT(name, ssize_t, int, const void *, size_t, offset_t); \
        FAIL_IF(file(fd), "write"); \
        ssize_t written = next_##name(fd, data, bytes, at); \
        return file(fd) ? written_at(fd, data, written, at) : written; \
    }
PWRITES(pwrite, off_t)
PWRITES(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t bytes) {
    NEXT(write, ssize_t, int, const void *, size_t);
    FAIL_IF(file(fd), "write");
    ssize_t written = next_write(fd, data, bytes);
    if (!file(fd) || written <= 0) return written;
    return written_at(fd, data, written, lseek(fd, 0, SEEK_CUR) - written);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    NEXT(writev, ssize_t, int, const struct iovec *, int);
    FAIL_IF(file(fd), "write");
    ssize_t written = next_writev(fd, parts, count);
    if (!file(fd) || written <= 0) return written;
    uint64_t at = lseek(fd, 0, SEEK_CUR) - written;
    size_t left = written;
    for (int part = 0; part < count && left > 0; part++) {
        size_t bytes = parts[part].iov_len < left ? parts[part].iov_len : left;
        written_at(fd, parts[part].iov_base, bytes, at);
        at += bytes;
        left -= bytes;
    }
    return written;
}

#define TRUNCATES(name, offset_t) \
    int name(int fd, offset_t size) { \
        NEXT(name, int, int, offset_t); \
        FAIL_IF(file(fd), "write"); \
        int result = next_##name(fd, size); \
        if (result == 0 && file(fd)) note(TRUNCATE, file(fd), size, NULL, NULL, 0); \
        return result; \
    }
TRUNCATES(ftruncate, off_t)
TRUNCATES(ftruncate64, off64_t)

#define SYNCS(name) \
    int name(int fd) { \
        static uint64_t counter; \
        NEXT(name, int, int); \
        uint64_t is = file(fd); \
        FAIL_IF(is, "sync"); \
        if (!is) return next_##name(fd); \
        uint64_t number = __atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST) << 8 | sizeof(#name); \
        note(SYNC_BEGIN, is, number, NULL, NULL, 0); \
        int result = next_##name(fd); \
        if (result == 0) note(SYNC_END, is, number, NULL, NULL, 0); \
        return result; \
    }
SYNCS(fsync)
SYNCS(fdatasync)

int unlink(const char *path) {
    NEXT(unlink, int, const char *);
    FAIL_IF(ours(path), "write");
    int result = next_unlink(path);
    if (result == 0 && journaled(path)) note(UNLINK, 0, 0, path, NULL, 0);
    return result;
}

#define NAMES(name, op) \
    int name(const char *from, const char *to) { \
        NEXT(name, int, const char *, const char *); \
        FAIL_IF(ours(from) || ours(to), "write"); \
        int result = next_##name(from, to); \
        if (result == 0 && journaled(to)) note(op, 0, 0, from, to, strlen(to)); \
        return result; \
    }
NAMES(rename, RENAME)
NAMES(link, LINK)

int mkdir(const char *path, mode_t mode) {
    NEXT(mkdir, int, const char *, mode_t);
    FAIL_IF(ours(path), "write");
    int result = next_mkdir(path, mode);
    if (result == 0 && journaled(path)) note(MKDIR, 0, 0, path, NULL, 0);
    return result;
}
