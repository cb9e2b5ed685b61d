/* usr1: preloaded beside TAU, it gives the application one thread more, which the launcher sends USR1 to.
 * docs/launcher.md says why. It is linked with nothing, so that a C library of any age can load it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* By its name the launcher finds it. 32 and 33 are the C library's own: setuid waits for all threads. */
#define NAME "profiling-usr1"
#define BIT(signal) (1UL << ((signal) - 1))
enum { MAIN_AND_THIS = 2, STATE = 3, THREADS = 20 }; /* fields of /proc/self/stat, proc(5) */
static const unsigned long all = ~(BIT(32) | BIT(33));

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* Absent where the program has no TAU, or its C library no dynamic loading: then there is no thread. */
extern int Tau_init_initializeTAU(void) __attribute__((weak));
extern __typeof__(dlopen) dlopen __attribute__((weak));
extern __typeof__(dlsym) dlsym __attribute__((weak));

static void set_mask(unsigned long mask, unsigned long *before) { /* the kernel's own, 64 signals */
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, before, sizeof mask);
}

/* The main thread has left by pthread_exit and no other one is there: the last one would end the process. */
static bool is_last(void) {
    char text[1024];
    int file = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC);
    long size = syscall(SYS_read, file, text, sizeof text - 1); /* not by functions that TAU measures */
    syscall(SYS_close, file);
    text[size > 0 ? size : 0] = '\0';
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ' || at[2] != 'Z') return false;
    for (int field = STATE - 1; at && field < THREADS; field++) at = strchr(at + 1, ' ');
    return at && atoi(at) == MAIN_AND_THIS;
}

static void *wait_for_signal(void *nothing) {
    prctl(PR_SET_NAME, NAME);
    set_mask(all & ~BIT(SIGUSR1), NULL);
    do {
        struct timespec second = {1, 0}; /* USR1 ends it early, after its handler */
        syscall(SYS_ppoll, NULL, 0, &second, NULL, 0);
    } while (!is_last());
    exit(0); /* as the C library ends a process with its last thread */
    return nothing;
}

/* By the C library's own function: TAU's would make the thread one of those that it measures. */
__attribute__((constructor)) static void start(void) {
    if (!Tau_init_initializeTAU || !dlopen || !dlsym) return;
    void *library = dlopen("libpthread.so.0", RTLD_LAZY | RTLD_NOLOAD);
    if (!library) library = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    void *found = library ? dlsym(library, "pthread_create") : NULL;
    create *make = NULL;
    memcpy(&make, &found, sizeof make); /* ISO C converts no pointer to a function */
    unsigned long before;
    pthread_t thread;
    set_mask(all, &before);
    if (make) make(&thread, NULL, wait_for_signal, NULL);
    set_mask(before, NULL);
}
