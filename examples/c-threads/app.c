/* Three threads that compute; most of the time goes to hot(). Rounds: first argument, default 20.
 * Compile with -no-pie, so that TAU can name what it samples: see README.md. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 3 };

__attribute__((noinline)) static double hot(int size) {
    double sum = 0;
    for (int i = 0; i < size; i++) sum += sqrt(i * 1.1);
    return sum;
}

__attribute__((noinline)) static double warm(int size) {
    double sum = 0;
    for (int i = 0; i < 4; i++) sum += hot(size / 2);
    return sum;
}

struct task {
    int rounds;
    double sum;
};

static void *work(void *given) {
    struct task *task = given;
    for (int i = 0; i < task->rounds; i++) task->sum += warm(2000000);
    return NULL;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 20;
    pthread_t threads[THREADS];
    struct task tasks[THREADS];
    double total = 0;
    for (int i = 0; i < THREADS; i++) {
        tasks[i] = (struct task){.rounds = rounds};
        if (pthread_create(&threads[i], NULL, work, &tasks[i]) != 0) return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        total += tasks[i].sum;
    }
    printf("%g\n", total);
    return 0;
}
