/* Crash dumps to a disk: which areas are taken, and what is written there. */
#include "kernel/base/panic.h"
#include "kernel/boot/dump.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/block_driver.h"
#include "kernel/device/driver.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/crc32.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <sys/mman.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/log_listen.h>
#include <torc/message.h>

/* The dump of a program with sanitizers has more than 1 MiB. */
enum {
    DISK_SIZE = 4 << 20,
    SECTORS = DISK_SIZE / 512,
    AREA_AT = 128 << 10,
    AREA_SIZE = 3 << 20,
};

/* ---- A disk that is only raw --------------------------------------------- */

/* Seen by the machine, which is another process. */
static struct shared {
    uint8_t data[DISK_SIZE];
    unsigned begins, moves, flushes;
    bool outside; /* something was moved that is not there */
    bool sunk;    /* a sink of the log got what is logged in a report */
} * shared;

static struct {
    uint32_t sector_size;
    bool read_only, has_no_raw, has_no_disk;
    int prepare_status;
    unsigned begin_fails_at, move_fails_at, flush_fails_at; /* 0: never */
    bool mark_goes;                                         /* after the boot */
    bool damages;
    bool in_use; /* when the machine boots */
    bool logs;   /* in the report */
} plan;

static int fake_prepare(struct block_device *disk)
{
    (void)disk;
    return plan.prepare_status;
}

static int fake_begin(struct block_device *disk)
{
    (void)disk;
    if (++shared->begins == 2 && plan.mark_goes)
        shared->data[0] ^= 1;
    if (plan.logs)
        log_error("fake: refused");
    return shared->begins == plan.begin_fails_at ? -ETIMEDOUT : 0;
}

static int fake_move(struct block_device *disk, bool is_write, uint64_t sector,
                     void *data, uint32_t bytes)
{
    if (bytes % disk->sector_size != 0 || bytes > BLOCK_RAW_BYTES ||
        sector % (disk->sector_size / 512) != 0 ||
        sector + bytes / 512 > disk->sectors) {
        shared->outside = true;
        return -EINVAL;
    }
    if (++shared->moves == plan.move_fails_at)
        return -EIO;
    if (is_write)
        memcpy(shared->data + sector * 512, data, bytes);
    else
        memcpy(data, shared->data + sector * 512, bytes);
    return 0;
}

static int fake_flush(struct block_device *disk)
{
    (void)disk;
    return ++shared->flushes == plan.flush_fails_at ? -EIO : 0;
}

static const struct block_raw_ops fake_raw = {
    .prepare = fake_prepare,
    .begin = fake_begin,
    .move = fake_move,
    .flush = fake_flush,
};
static int fake_start(struct block_device *disk)
{
    (void)disk;
    return 0;
}

/* Its partitions cannot be read: it is of use still. */
static int fake_submit(struct block_queue *queue, struct block_request *first)
{
    (void)queue;
    (void)first;
    return -EIO;
}

static const struct block_ops raw_ops = {
    .start = fake_start, .submit = fake_submit, .raw = &fake_raw};
static const struct block_ops no_raw_ops = {.raw = NULL};

static void sink_write(struct log_sink *sink, const char *text, size_t len)
{
    (void)sink;
    for (size_t i = 0; i + 7 <= len; i++)
        shared->sunk = shared->sunk || memcmp(text + i, "refused", 7) == 0;
}

static int fake_probe(void)
{
    static struct log_sink sink = {.write = sink_write};
    static struct block_device disk;
    int status;

    if (plan.has_no_disk)
        return 0;
    disk = (struct block_device){
        .ops = plan.has_no_raw ? &no_raw_ops : &raw_ops,
        .sectors = SECTORS,
        .sector_size = plan.sector_size,
        .read_only = plan.read_only,
        .limits = {.sectors = 8, .segments = 1},
        .queue_max = 1,
    };
    log_sink_add(&sink);
    status = block_register(&disk, "vd");
    if (status == 0 && plan.in_use)
        status = device_dedicate(&disk.device, 1);
    return status;
}

static const struct driver fake_driver = {.name = "fake", .probe = fake_probe};

static int fail_now(void *arg)
{
    unsigned cpu = plan.logs && arg == NULL ? 1 : 0;

    if (cpu != 0)
        return remote_call(cpu, fail_now, &cpu);
    if (plan.damages) /* what the dump reads of this CPU */
        cpu_self()->threads = (void *)(uintptr_t)16;
    panic("enough");
}

static char output[1 << 20];

static bool says(const char *text)
{
    return strstr(output, text) != NULL;
}

static int run(const char *cmdline)
{
    int status;

    shared->begins = shared->moves = shared->flushes = 0;
    machine_drivers[0] = &fake_driver;
    machine_drivers[1] = &dump_disk_driver;
    status = machine_run_output(2, 8 << 20, cmdline, fail_now, NULL, output,
                                sizeof(output));
    machine_drivers[0] = machine_drivers[1] = NULL;
    assert_false(shared->outside);
    return status;
}

/* ---- Areas --------------------------------------------------------------- */

static void mark(uint64_t at, uint64_t bytes)
{
    uint8_t *area = shared->data + at;

    memcpy(area, "TORC DUMP AREA 1", 16);
    le64_put(area + 16, bytes);
    le32_put(area + 24, crc32(0, area, 24));
}

static int setup(void **state)
{
    (void)state;
    memset(shared, 0, sizeof(*shared));
    memset(&plan, 0, sizeof(plan));
    plan.sector_size = 512;
    return 0;
}

/* From here to the disk's end each byte is the same. */
static void assert_filled(size_t from, uint8_t byte)
{
    assert_int_equal(shared->data[from], byte);
    assert_memory_equal(shared->data + from, shared->data + from + 1,
                        DISK_SIZE - from - 1);
}

/* The state of the area: 1 begun, 2 whole, 3 cut; and the stream's bytes. */
static unsigned state_of(uint64_t at, uint64_t *bytes)
{
    const uint8_t *area = shared->data + at + 4096;

    assert_memory_equal(area, "TORC DUMP STATE1", 16);
    assert_int_equal(le32_get(area + 28), crc32(0, area, 28));
    *bytes = le64_get(area + 20);
    return le32_get(area + 16);
}

static void assert_whole(uint64_t at)
{
    const uint8_t *stream = shared->data + at + 8192;
    uint64_t bytes;

    assert_int_equal(state_of(at, &bytes), 2);
    assert_true(bytes > 1000);
    assert_memory_equal(stream, "TORCDUMP", 8);
    assert_int_equal(le32_get(stream + bytes - 12), 4);
    assert_int_equal(le32_get(stream + bytes - 4),
                     crc32(0, stream, bytes - 12));
    assert_true(says("the dump has "));
}

static void test_dump_on_a_whole_disk(void **state)
{
    (void)state;
    mark(0, DISK_SIZE);
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("dump=vda: 4096 KiB"));
    assert_true(says("a dump goes to vda\n"));
    assert_whole(0);
    assert_int_equal(shared->flushes, 2);
    assert_int_equal(run("dump=vda"), 134); /* over the old one */
    assert_whole(0);
    plan.sector_size = 4096;
    assert_int_equal(run("dump=vda"), 134);
    assert_whole(0);
}

/* What is behind the area's end is left alone. */
static void test_dump_cut_by_the_area(void **state)
{
    uint64_t bytes;

    (void)state;
    mark(0, 64 << 10);
    memset(shared->data + (64 << 10), 0xab, DISK_SIZE - (64 << 10));
    assert_int_equal(run("dump=vda"), 134);
    assert_int_equal(state_of(0, &bytes), 3);
    assert_int_equal(bytes, 48 << 10);
    assert_true(says("the dump has failed behind 49152 bytes (error -28): "
                     "the area is too small\n"));
    assert_filled(64 << 10, 0xab);
}

/* ---- Partitions ---------------------------------------------------------- */

static void mbr_put(unsigned i, uint8_t type, uint32_t first, uint32_t count)
{
    uint8_t *entry = shared->data + 446 + (size_t)(i - 1) * 16;

    entry[4] = type;
    le32_put(entry + 8, first);
    le32_put(entry + 12, count);
    shared->data[510] = 0x55;
    shared->data[511] = 0xaa;
}

static void test_dump_on_a_partition(void **state)
{
    (void)state;
    mbr_put(2, 0x83, AREA_AT / 512, AREA_SIZE / 512);
    mark(AREA_AT, AREA_SIZE);
    memset(shared->data + AREA_AT + AREA_SIZE, 0xab, 4096);
    assert_int_equal(run("dump=vda:2"), 134);
    assert_true(says("dump=vda:2: 3072 KiB"));
    assert_whole(AREA_AT);
    assert_int_equal(shared->data[AREA_AT + AREA_SIZE], 0xab);
}

static void gpt_put(uint32_t unit)
{
    uint8_t *header = shared->data + unit, *entry = shared->data + 2 * unit;

    mbr_put(1, 0xee, 1, SECTORS - 1);
    memset(entry, 0, 128 * 128);
    entry[128] = 1; /* of the second: a type, and its first and last sector */
    entry[128 + 16] = 1;
    le64_put(entry + 128 + 32, AREA_AT / unit);
    le64_put(entry + 128 + 40, AREA_AT / unit + AREA_SIZE / unit - 1);
    memset(header, 0, unit);
    memcpy(header, "EFI PART", 8);
    le32_put(header + 8, 0x10000);
    le32_put(header + 12, 92);
    le64_put(header + 24, 1);
    le64_put(header + 32, DISK_SIZE / unit - 1);
    le64_put(header + 40, 64);
    le64_put(header + 48, DISK_SIZE / unit - 40);
    if (unit == 4096) {
        le64_put(header + 40, 8);
        le64_put(header + 48, DISK_SIZE / unit - 10);
    }
    header[56] = 1;
    le64_put(header + 72, 2);
    le32_put(header + 80, 128);
    le32_put(header + 84, 128);
    le32_put(header + 88, crc32(0, entry, 128 * 128));
    le32_put(header + 16, crc32(0, header, 92));
}

static void test_dump_on_a_partition_of_a_gpt(void **state)
{
    static const uint32_t units[] = {512, 4096};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        (void)setup(state);
        plan.sector_size = units[i];
        gpt_put(units[i]);
        mark(AREA_AT, AREA_SIZE);
        assert_int_equal(run("dump=vda:2"), 134);
        assert_whole(AREA_AT);
        /* a partition that is none, a number too large, a damaged header */
        assert_int_equal(run("dump=vda:3"), 134);
        assert_true(says("no area for dumps is there"));
        assert_int_equal(run("dump=vda:128"), 134);
        assert_true(says("no area for dumps is there"));
        shared->data[units[i] + 40] ^= 1;
        assert_int_equal(run("dump=vda:2"), 134);
        assert_true(says("no area for dumps is there"));
    }
}

/* A last sector before the first one; fewer entries than asked for. */
static void test_partitions_that_cannot_be(void **state)
{
    uint8_t *header;

    (void)state;
    gpt_put(512);
    header = shared->data + 512;
    mark(AREA_AT, AREA_SIZE);
    le64_put(shared->data + 1024 + 128 + 40, 1);
    assert_int_equal(run("dump=vda:2"), 134);
    assert_true(says("no area for dumps is there"));
    gpt_put(512);
    le32_put(header + 80, 4);
    le32_put(header + 16, 0);
    le32_put(header + 16, crc32(0, header, 92));
    assert_int_equal(run("dump=vda:5"), 134);
    assert_true(says("no area for dumps is there"));
    memset(shared->data, 0, AREA_AT);
    assert_int_equal(run("dump=vda:1"), 134); /* no table at all */
    assert_true(says("no area for dumps is there"));
    mbr_put(1, 0x83, 0, 8);
    mbr_put(2, 0x83, SECTORS, 8);
    mbr_put(3, 0x83, SECTORS - 8, 9);
    for (char number = '1'; number <= '5'; number++) {
        char cmdline[] = "dump=vda:0";

        cmdline[9] = number;
        assert_int_equal(run(cmdline), 134);
        assert_true(says("no area for dumps is there"));
    }
}

/* ---- What is refused ----------------------------------------------------- */

static void test_areas_that_are_none(void **state)
{
    static const uint64_t sizes[] = {0, (64 << 10) - 1, DISK_SIZE + 1,
                                     UINT64_MAX};

    (void)state;
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("error: dump=vda: no area for dumps is there: "
                     "tools/gdb/torc_core.py --mark\n"));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        mark(0, sizes[i]);
        assert_int_equal(run("dump=vda"), 134);
        assert_true(says("no area for dumps is there"));
    }
    mark(0, DISK_SIZE);
    shared->data[24] ^= 1;
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("no area for dumps is there"));
    assert_filled(4096, 0);
    assert_false(says("a dump goes"));
}

static void test_bad_names(void **state)
{
    static const char *const bad[] = {
        "dump=",       "dump=:1",      "dump=vda:",     "dump=vda:0",
        "dump=vda:1x", "dump=vda:129", "dump=vda:1001", "dump=averylongname1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        (void)run(bad[i]);
        ROW(bad[i], says("give a disk, as vda or vda:2") ||
                        says("there is no such disk"));
        ROW(bad[i], !says("a dump goes"));
    }
    assert_int_equal(run("dump=vdb"), 134);
    assert_true(says("dump=vdb: there is no such disk"));
    plan.read_only = true;
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("dump=vda: the disk is read-only"));
    plan.has_no_raw = true;
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("this image cannot write dumps to such a disk"));
}

static void test_disks_that_fail_at_boot(void **state)
{
    (void)state;
    mark(0, DISK_SIZE);
    plan.prepare_status = -ENOMEM;
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("dump=vda: the disk does not answer"));
    plan.prepare_status = 0;
    plan.begin_fails_at = 1;
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("dump=vda: the disk does not answer"));
    plan.begin_fails_at = 0;
    mbr_put(1, 0xee, 1, SECTORS - 1);
    for (plan.move_fails_at = 1; plan.move_fails_at <= 2;
         plan.move_fails_at++) {
        assert_int_equal(run("dump=vda:1"), 134);
        assert_true(says("dump=vda:1: the disk does not answer"));
    }
    gpt_put(512);
    plan.move_fails_at = 3;
    assert_int_equal(run("dump=vda:2"), 134);
    assert_true(says("dump=vda:2: the disk does not answer"));
}

/* At the first look, the state, the first piece, the last state, a flush. */
static void test_disks_that_fail_at_the_end(void **state)
{
    uint64_t bytes;

    (void)state;
    mark(0, DISK_SIZE);
    plan.begin_fails_at = 2;
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("the dump has failed behind 0 bytes (error -110)\n"));
    plan.begin_fails_at = 0;
    for (unsigned i = 2; i <= 5; i++) {
        plan.move_fails_at = i;
        assert_int_equal(run("dump=vda"), 134);
        assert_true(says("the dump has failed behind "));
        assert_true(says("(error -5)\n"));
    }
    assert_int_equal(state_of(0, &bytes), 3);
    assert_int_equal(bytes, BLOCK_RAW_BYTES);
    plan.move_fails_at = 0;
    for (unsigned i = 1; i <= 2; i++) {
        plan.flush_fails_at = i;
        assert_int_equal(run("dump=vda"), 134);
        assert_true(says("(error -5)\n"));
    }
}

/* Somebody has put something else there meanwhile. */
static void test_a_mark_that_has_gone(void **state)
{
    (void)state;
    mark(0, DISK_SIZE);
    plan.mark_goes = true;
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("the dump has failed behind 0 bytes (error -22)\n"));
    assert_filled(4096, 0);
}

/* The dump runs into a fault: what it has is there. */
static void test_a_dump_that_faults(void **state)
{
    uint64_t bytes;

    (void)state;
    mark(0, DISK_SIZE);
    plan.damages = true;
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("bytes, and ends where the fault was\n"));
    assert_int_equal(state_of(0, &bytes), 3);
    assert_true(bytes >= 8);
    assert_memory_equal(shared->data + 8192, "TORCDUMP", 8);
    plan.move_fails_at = 4; /* and the disk fails, too */
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("bytes, and ends where the fault was\n"));
}

/* No disk is reset that somebody uses; the dump does it. */
static void test_disks_in_use_at_boot(void **state)
{
    (void)state;
    mark(0, DISK_SIZE);
    plan.in_use = true;
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("warning: dump=vda: disks are in use, so it has not been "
                     "looked at\n"));
    assert_int_equal(shared->begins, 1);
    assert_whole(0);
    shared->data[0] ^= 1; /* no area */
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("the dump has failed behind 0 bytes (error -22)\n"));
}

/* What drivers log within a report comes out at once, on each CPU: nobody else
 * runs, and what a sink needs may be damaged. */
static void test_drivers_that_log_in_the_report(void **state)
{
    (void)state;
    mark(0, DISK_SIZE);
    plan.in_use = plan.logs = true;
    assert_int_equal(run("dump=vda"), 134);
    assert_true(says("error: fake: refused\n"));
    assert_false(shared->sunk);
    assert_whole(0);
}

static void test_other_places(void **state)
{
    (void)state;
    mark(0, DISK_SIZE);
    assert_int_equal(run("dump=console"), 134);
    assert_true(says("\ndump: "));
    assert_int_equal(run("dump=off"), 134);
    assert_false(says("dump"));
    assert_int_equal(run(""), 134);
    assert_int_equal(shared->begins, 0);
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup(test, setup)
    const struct CMUnitTest tests[] = {
        READY(test_dump_on_a_whole_disk),
        READY(test_dump_cut_by_the_area),
        READY(test_dump_on_a_partition),
        READY(test_dump_on_a_partition_of_a_gpt),
        READY(test_partitions_that_cannot_be),
        READY(test_areas_that_are_none),
        READY(test_bad_names),
        READY(test_disks_that_fail_at_boot),
        READY(test_disks_that_fail_at_the_end),
        READY(test_a_mark_that_has_gone),
        READY(test_a_dump_that_faults),
        READY(test_disks_in_use_at_boot),
        READY(test_drivers_that_log_in_the_report),
        READY(test_other_places),
    };

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
