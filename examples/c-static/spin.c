/* Spins: hot() takes four fifths of the time, cold() one fifth. Rounds: first argument, default 300.
 * Linked statically, so that an image of it holds this one program and nothing else. */
#include <stdio.h>
#include <stdlib.h>

enum { SIZE = 1000000 };

static double hot(double sum, int size) {
    for (int i = 0; i < size; i++) sum += i * 1.1;
    return sum;
}

static double cold(double sum, int size) {
    for (int i = 0; i < size; i++) sum += i * 1.1;
    return sum;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 300;
    double total = 0;
    for (int i = 0; i < rounds; i++) total = cold(hot(total, 4 * SIZE), SIZE);
    printf("%d rounds: %g\n", rounds, total);
    return 0;
}
