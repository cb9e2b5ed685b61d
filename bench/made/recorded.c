/* A program for a recording of Nsight Systems' that is as large as is asked for: threads that call
 * many functions of the C library, from stacks of varied depth. No GPU is needed.
 *
 *     recorded THREADS CALLS SEED
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static long calls;
static unsigned seed;

struct work {
    unsigned random;
    int file, pipe[2];
    sem_t semaphore;
    char bytes[65536];
};

static unsigned next(struct work *work) {
    work->random = work->random * 1664525u + 1013904223u;
    return work->random >> 8;
}

static void call(struct work *work) {
    size_t size = 64 + next(work) % sizeof work->bytes / 2;
    struct pollfd asked = {.fd = work->pipe[0], .events = POLLIN};
    struct stat status;
    FILE *stream;
    void *page;
    switch (next(work) % 12) {
    case 0: pwrite(work->file, work->bytes, size, 0); break;
    case 1: pread(work->file, work->bytes, size, 0); break;
    case 2: write(work->pipe[1], work->bytes, 64); read(work->pipe[0], work->bytes, 64); break;
    case 3: poll(&asked, 1, 0); break;
    case 4: if ((stream = fopen("/dev/null", "w"))) { fwrite(work->bytes, 1, size, stream); fclose(stream); } break;
    case 5: if ((page = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED) munmap(page, size); break;
    case 6: sem_post(&work->semaphore); sem_wait(&work->semaphore); break;
    case 7: usleep(next(work) % 3); break;
    case 8: close(open("/dev/null", O_RDONLY)); break;
    case 9: fsync(work->pipe[0]); break;
    case 10: stat("/proc/self/exe", &status); break;
    default: lseek(work->file, (off_t)size, SEEK_SET); write(work->file, work->bytes, 64); break;
    }
}

/* Each NAME is a frame of its own in the stacks of samples. */
#define FRAME(NAME, ONE, OTHER)                                             \
    static void __attribute__((noinline)) NAME(struct work *work, int depth) { \
        for (volatile unsigned i = next(work) % 512; i; i--) { }            \
        if (depth <= 0) { call(work); return; }                             \
        if (next(work) & 1) ONE(work, depth - 1); else OTHER(work, depth - 2); \
        __asm__ volatile("");                                               \
    }
static void solve(struct work *, int);
static void exchange(struct work *, int);
static void assemble(struct work *, int);
static void update_halo(struct work *, int);
FRAME(flux, solve, exchange)
FRAME(reduce, assemble, flux)
FRAME(pack, reduce, update_halo)
FRAME(update_halo, pack, solve)
FRAME(assemble, flux, pack)
FRAME(exchange, update_halo, reduce)
FRAME(solve, assemble, exchange)

static void *thread(void *number) {
    struct work *work = calloc(1, sizeof *work);
    char name[] = "/tmp/recorded-XXXXXX";
    work->random = seed + (unsigned)(size_t)number;
    work->file = mkstemp(name);
    unlink(name);
    if (pipe(work->pipe)) return NULL;
    sem_init(&work->semaphore, 0, 0);
    for (long i = 0; i < calls; i++) solve(work, 1 + (int)(next(work) % 24));
    return NULL;
}

int main(int count, char **words) {
    int threads = count > 1 ? atoi(words[1]) : 2;
    pthread_t *started = calloc((size_t)threads, sizeof *started);
    calls = count > 2 ? atol(words[2]) : 1000;
    seed = count > 3 ? (unsigned)atoi(words[3]) : 1;
    for (int i = 0; i < threads; i++) pthread_create(&started[i], NULL, thread, (void *)(size_t)i);
    for (int i = 0; i < threads; i++) pthread_join(started[i], NULL);
    return 0;
}
