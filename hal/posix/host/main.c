/* An archive member of its own: programs with a main() do without it. */
#include "hal/posix/host/process.h"

int main(int argc, char **argv)
{
    return host_process_run(argc, argv);
}
