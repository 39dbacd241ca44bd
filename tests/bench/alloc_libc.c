/* The allocator rows with malloc() and free(): alloc_libc ROUNDS */
#include "tests/bench/alloc_loops.h"
#include "tests/bench/bench.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *serve(void *arg)
{
    (void)arg;
    bench_pin(1);
    pair_serve();
    return NULL;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 9;
    pthread_t second;

    bench_pin(0);
    if (pthread_create(&second, NULL, serve, NULL) != 0)
        return 1;
    alloc_prepare();
    for (const struct alloc_load *l = alloc_loads; l->row != NULL; l++) {
        l->run(l->count);
        for (int i = 0; i < rounds; i++)
            printf("sample %s malloc %" PRIu64 "\n", l->row,
                   bench_sample_ps(l->run, l->count, true));
    }
    printf("disturbed %u\n", bench_disturbed);
    pair_stop();
    pthread_join(second, NULL);
    return 0;
}
