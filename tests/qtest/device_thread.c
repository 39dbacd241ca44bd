#include "tests/qtest/device_thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/qtest/scenario_net.h"
#include <string.h>
#include <torc/thread.h>

static bool (*step)(void);
static bool stop;
static thread_id thread;

static int run(void *arg)
{
    (void)arg;
    while (!stop) {
        while (step())
            continue;
        thread_yield();
    }
    return 0;
}

void device_thread_begin(bool (*fn)(void))
{
    step = fn;
    stop = false;
    assert_int_equal(thread_create(NULL, run, NULL, &thread), 0);
}

void device_thread_end(void)
{
    stop = true;
    assert_int_equal(thread_join(thread, NULL), 0);
}

/* ---- Frames -------------------------------------------------------------- */

enum { CABLE = 512 };

static struct {
    uint8_t frame[SCENARIO_FRAME_MAX];
    size_t len;
} cable[CABLE];
static unsigned cable_in, cable_out;

bool sent_has_room(void)
{
    return cable_in - cable_out < CABLE;
}

void sent_frame(void *arg, const uint8_t *frame, size_t len)
{
    (void)arg;
    assert_true(sent_has_room());
    assert_true(len <= SCENARIO_FRAME_MAX);
    memcpy(cable[cable_in % CABLE].frame, frame, len);
    cable[cable_in % CABLE].len = len;
    cable_in++;
}

size_t sent_take(uint8_t *frame, size_t size)
{
    size_t len;

    if (cable_in == cable_out)
        return 0;
    len = cable[cable_out % CABLE].len;
    memcpy(frame, cable[cable_out % CABLE].frame, len < size ? len : size);
    cable_out++;
    return len;
}

void sent_forget(void)
{
    cable_in = cable_out = 0;
}
