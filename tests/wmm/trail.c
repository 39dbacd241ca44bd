#include "trail.h"
#include "threads.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { TRAIL_SIZE = 1 << 28 }; /* bytes, of which few are ever touched */

/* Behind the bytes that it tells about. */
struct note {
    void *at;
    size_t size;
};

uint32_t trail_now;

static char *trail;
static size_t end;

void trail_init(void)
{
    trail = mmap(NULL, TRAIL_SIZE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (trail == MAP_FAILED)
        abort();
    trail_now = 1;
}

static size_t rounded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

void trail_note(void *at, size_t size)
{
    const struct note note = {at, size};
    size_t whole = rounded(size) + sizeof(note);

    if (whole > TRAIL_SIZE - end)
        wmm_fail("an execution changes too much memory");
    memcpy(trail + end, at, size);
    memcpy(trail + end + rounded(size), &note, sizeof(note));
    end += whole;
}

size_t trail_mark(void)
{
    trail_now++;
    return end;
}

void trail_repeat(size_t from, size_t to)
{
    while (to > from) {
        struct note note;

        memcpy(&note, trail + to - sizeof(note), sizeof(note));
        to -= rounded(note.size) + sizeof(note);
        memcpy(note.at, trail + to, note.size);
    }
}

void trail_back(size_t mark)
{
    trail_now++;
    trail_repeat(mark, end);
    end = mark;
}
