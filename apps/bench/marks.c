/* In a file of their own, so that the calls stay calls. */
#include "apps/bench/marks.h"

void bench_begin(void)
{
}

void bench_end(void)
{
}
