/*
 * The crash explorer: does a file system survive a crash at any moment?
 *
 * For each sequence of operations (world.c) on a small volume it records what
 * is written (disk.c), and makes what a crash could leave (states.c). Of each
 * state
 *   - the checker (fs/ext2/check) finds only what "e2fsck -p" repairs, or what
 *     the table of operations allows;
 *   - what was synced is there (looked at by mounting it);
 * and of some states e2fsck must repair it without a question; then the checker
 * finds nothing, what was synced is there, and a mount goes on working.
 *
 *   explore --length 2                    all sequences of two operations
 *   explore --length 4 --share 3/100      a hundredth of all of four
 *   explore --length 5 --random 100       100 of five, drawn by --seed
 *   explore --ops create,fsync,unlink     one; with --only N one state of it
 */
#include "kernel/file/vfs.h"
#include "kernel/lib/bytes.h"
#include "tests/crash/states.h"
#include "tests/crash/world.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/ext2_check.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <torc/file.h>
#include <torc/file_systems.h>
#include <torc/time.h>
#include <unistd.h>

enum {
    LENGTH_MAX = 16,
    LETTERS_MAX = 64,
    PROMISES_MAX = WORLD_PATHS * (LENGTH_MAX + 2),
};

static const struct file_system *const file_systems[] = {&ext2_rw_file_system,
                                                         NULL};

/* A path that must be so in states between two events. */
struct promise {
    unsigned path;
    struct world_look look;
    size_t from, until;
};

static struct {
    /* Options: */
    unsigned length, kib, names, fsck_each;
    uint64_t random;
    unsigned long share, shares; /* which of how many */
    uint64_t progress;           /* a line after so many sequences; 0: none */
    const char *ops, *alphabet, *image_options, *keep;
    struct crash_limits limits;
    bool is_verbose;
    unsigned drop_flush;
    bool drops_all;

    struct crash_disk disk;
    uint8_t *base, *live;
    size_t size;

    int letter[LETTERS_MAX]; /* operations that sequences are made of */
    unsigned letters;

    /* The sequence: */
    int op[LENGTH_MAX];
    size_t op_begin[LENGTH_MAX]; /* events */
    unsigned count;
    struct promise promise[PROMISES_MAX];
    unsigned promises;
    unsigned fscked; /* states of it */

    /* All: */
    struct crash_counts counts;
    unsigned long sequences, failures, fsck_runs, fsck_serious, looks;
    unsigned long torn_names, names_twice; /* states */
} all = {.length = 2,
         .kib = 256,
         .fsck_each = 1,
         .shares = 1,
         .image_options = "-b 1024 -N 64 -I 256",
         .limits = {.exhaustive = 64, .drawn = 24, .seed = 1}};

/* ---- Failures ------------------------------------------------------------ */

static void sequence_print(FILE *to)
{
    for (unsigned i = 0; i < all.count; i++)
        fprintf(to, "%s%s", i == 0 ? "" : ",", world_ops[all.op[i]].name);
}

static void failed(const struct crash_state *state, const char *what)
{
    all.failures++;
    printf("FAILED: %s\n  after: ", what);
    sequence_print(stdout);
    if (state != NULL)
        printf("\n  state %lu (%s), events %zu to %zu of %zu",
               (unsigned long)state->number, state->made_by, state->begin,
               state->end, all.disk.log.count);
    printf("\n  again: build/crash/explore --kib %u --names %u --image '%s' ",
           all.kib, all.names, all.image_options);
    if (state != NULL)
        printf("--seed %lu --exhaustive %u --drawn %u --atom %u --fsck 1000 "
               "--only %lu ",
               (unsigned long)all.limits.seed, all.limits.exhaustive,
               all.limits.drawn, all.limits.atom, (unsigned long)state->number);
    printf("--ops ");
    sequence_print(stdout);
    printf("\n");
    fflush(stdout);
}

static void on_abort(int signal)
{
    (void)signal;
    fprintf(stderr, "ended while exploring: ");
    sequence_print(stderr);
    fprintf(stderr, "\n");
    _exit(134);
}

/* ---- Mounting ------------------------------------------------------------ */

static int mount(void)
{
    return file_mount(&all.disk.block.device, "/", "ext2");
}

/* Mount the state in all.live, do something, unmount. */
static int mounted(int (*work)(void *context), void *context)
{
    int status = mount(), more;

    if (status != 0)
        return status;
    status = work(context);
    more = file_unmount("/");
    return status != 0 ? status : more;
}

/* ---- Promises ------------------------------------------------------------ */

static void promises_end(const struct world_op *op)
{
    for (unsigned i = 0; i < all.promises; i++)
        if (world_lists(op->touches, world_path[all.promise[i].path]) &&
            all.promise[i].until == SIZE_MAX)
            all.promise[i].until = all.disk.log.count;
}

static void promises_make(const char *paths)
{
    for (unsigned i = 0; i < WORLD_PATHS; i++) {
        struct promise *promise = &all.promise[all.promises];

        if (!world_lists(paths, world_path[i]))
            continue;
        *promise = (struct promise){
            .path = i, .from = all.disk.log.count, .until = SIZE_MAX};
        world_look(world_path[i], &promise->look);
        all.promises++;
    }
}

static bool is_due(const struct promise *promise,
                   const struct crash_state *state)
{
    return promise->from <= state->end && state->end <= promise->until;
}

/* Look at all that are due; context is the state. */
static int promises_look(void *context)
{
    const struct crash_state *state = context;

    for (unsigned i = 0; i < all.promises; i++) {
        const struct promise *promise = &all.promise[i];
        struct world_look look;

        if (!is_due(promise, state))
            continue;
        world_look(world_path[promise->path], &look);
        if (!world_is_same(&look, &promise->look)) {
            printf("  %s: status %d type %u size %lu, but was synced as status "
                   "%d type %u size %lu\n",
                   world_path[promise->path], look.status, look.type,
                   (unsigned long)look.size, promise->look.status,
                   promise->look.type, (unsigned long)promise->look.size);
            return 1;
        }
    }
    return 0;
}

static bool any_is_due(const struct crash_state *state)
{
    for (unsigned i = 0; i < all.promises; i++)
        if (is_due(&all.promise[i], state))
            return true;
    return false;
}

/* ---- The checker --------------------------------------------------------- */

/* Whether the disk may write a part of a block. */
static bool is_torn(void)
{
    uint32_t block = 2u << le32_get(all.base + 1024 + 24);

    return (all.limits.atom > 0 ? all.limits.atom : 1) < block;
}

/* Whether the i-th operation may leave torn[]. */
static bool may_tear(unsigned i)
{
    const char *behind = world_ops[all.op[i]].torn_behind;

    if (behind == NULL)
        return true;
    for (unsigned k = 0; k < i; k++)
        if (strcmp(world_ops[all.op[k]].name, behind) == 0)
            return true;
    return false;
}

static bool is_allowed(enum ext2_code code, const struct crash_state *state)
{
    if (ext2_code_info(code)->severity == CHECK_PREEN)
        return true;
    /* A part of a name that lies in two sectors has another hash. */
    if (code == CHECK_INDEX_HASH && is_torn())
        return true;
    for (unsigned i = 0; i < all.count; i++) {
        const struct world_op *op = &world_ops[all.op[i]];

        if (all.op_begin[i] > state->end)
            continue;
        for (unsigned k = 0; k < WORLD_ALLOWED_MAX; k++)
            if (op->allowed[k] == (unsigned)code + 1 ||
                (op->torn[k] == (unsigned)code + 1 && is_torn() && may_tear(i)))
                return true;
    }
    return false;
}

/* Whether all that is found is allowed; *serious: some of it is. */
static bool findings_fit(const struct crash_state *state,
                         const struct ext2_checked *checked, bool *serious)
{
    *serious = checked->result.findings[CHECK_SERIOUS] > 0;
    if (checked->status != 0 || checked->result.stopped)
        return false;
    for (unsigned i = 0; i < CHECK_CODES; i++)
        if (checked->codes[i] > 0 && !is_allowed((enum ext2_code)i, state))
            return false;
    return true;
}

/* ---- e2fsck, and going on ------------------------------------------------ */

/* Let e2fsck repair all.live: its exit status. */
static int e2fsck_repair(const char *options)
{
    char path[60], command[200];
    FILE *file;
    int status;

    snprintf(path, sizeof(path), "/dev/shm/torc_crash_%d", (int)getpid());
    file = fopen(path, "w");
    if (file == NULL || fwrite(all.live, 1, all.size, file) != all.size)
        abort();
    fclose(file);
    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin:/usr/sbin e2fsck %s %s >%s.out 2>&1", options,
             path, path);
    status = system(command);
    file = fopen(path, "r");
    if (file == NULL || fread(all.live, 1, all.size, file) != all.size)
        abort();
    fclose(file);
    unlink(path);
    if (all.is_verbose || WEXITSTATUS(status) > 1) {
        snprintf(command, sizeof(command), "sed 's/^/  | /' %s.out", path);
        fflush(stdout);
        if (system(command) != 0)
            printf("  (no output)\n");
    }
    snprintf(command, sizeof(command), "%s.out", path);
    unlink(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static int go_on(void *context)
{
    (void)context;
    return world_go_on();
}

static bool live_is_clean(const struct crash_state *state, const char *what)
{
    struct ext2_checked checked = {.fail_alloc = 0};

    ext2_check_image(all.live, all.size, &checked);
    if (checked.status == 0 && checked.count == 0)
        return true;
    /* e2fsck does not see names that are twice in different blocks. */
    if (state != NULL && checked.status == 0 &&
        checked.count == checked.codes[CHECK_ENTRY_TWICE] &&
        is_allowed(CHECK_ENTRY_TWICE, state)) {
        all.names_twice++;
        return true;
    }
    ext2_check_print(stdout, &checked);
    failed(state, what);
    return false;
}

static void repair(const struct crash_state *state, bool is_serious)
{
    int status;

    all.fsck_runs++;
    all.fsck_serious += is_serious;
    memcpy(all.live, state->image, all.size);
    status = e2fsck_repair(is_serious ? "-fy" : "-p -f");
    if (status > 1) {
        failed(state, is_serious ? "e2fsck -y does not repair it"
                                 : "e2fsck -p does not repair it");
        return;
    }
    if (!live_is_clean(state, "it is not clean behind e2fsck"))
        return;
    if (mounted(promises_look, (void *)(uintptr_t)state) != 0) {
        failed(state, "what was synced is not there behind e2fsck");
        return;
    }
    status = mounted(go_on, NULL);
    if (status != 0) {
        printf("  status %d\n", status);
        failed(state, "it does not go on working");
        return;
    }
    live_is_clean(state, "it is not clean after going on");
}

/* ---- One state ----------------------------------------------------------- */

static bool state_check(void *context, const struct crash_state *state)
{
    struct ext2_checked checked = {.fail_alloc = 0};
    bool is_serious;

    (void)context;
    ext2_check_image(state->image, all.size, &checked);
    if (all.limits.only != 0 && all.keep != NULL) {
        FILE *file = fopen(all.keep, "w");

        if (file != NULL) {
            fwrite(state->image, 1, all.size, file);
            fclose(file);
        }
    }
    if (all.limits.only != 0)
        ext2_check_print(stdout, &checked);
    /* The parts of a block of names do not fit: nothing else makes sense. */
    if (checked.codes[CHECK_ENTRY_BROKEN] + checked.codes[CHECK_ENTRY_NAME] >
            0 &&
        is_torn()) {
        all.torn_names++;
        return true;
    }
    if (!findings_fit(state, &checked, &is_serious)) {
        ext2_check_print(stdout, &checked);
        failed(state, "the checker finds what no operation allows");
        return false;
    }
    if (any_is_due(state)) {
        all.looks++;
        memcpy(all.live, state->image, all.size);
        if (mounted(promises_look, (void *)(uintptr_t)state) != 0) {
            failed(state, "what was synced is not there");
            return false;
        }
    }
    if (all.fscked < all.fsck_each &&
        (all.limits.only != 0 || is_serious || state->number % 7 == 0)) {
        unsigned long before = all.failures;

        all.fscked++;
        repair(state, is_serious);
        return all.failures == before;
    }
    return true;
}

/* ---- One sequence -------------------------------------------------------- */

static void operations_run(void)
{
    for (unsigned i = 0; i < all.count; i++) {
        const struct world_op *op = &world_ops[all.op[i]];
        int status;

        promises_end(op);
        crash_disk_mark(&all.disk, (int)i);
        all.op_begin[i] = all.disk.log.count;
        status = op->run();
        if (all.is_verbose)
            printf("%s: %d\n", op->name, status);
        if (status == -EUCLEAN || status == -EIO) {
            printf("  %s returned %d\n", op->name, status);
            failed(NULL, "an operation meets damage");
        }
        if (status == 0)
            promises_make(op->syncs);
    }
}

static void log_print(void)
{
    for (size_t i = 0; i < all.disk.log.count; i++) {
        const struct crash_event *event = &all.disk.log.event[i];

        if (event->kind == CRASH_WRITE)
            printf("%4zu write sector %lu (block %lu) %u%s\n", i,
                   (unsigned long)event->sector,
                   (unsigned long)event->sector / 2, event->sectors,
                   event->is_durable ? " FUA" : "");
        else if (event->kind == CRASH_FLUSH)
            printf("%4zu flush\n", i);
        else
            printf("%4zu begin of %s\n", i,
                   world_ops[all.op[event->mark]].name);
    }
}

static void sequence_run(void)
{
    int status;

    all.sequences++;
    all.promises = 0;
    all.fscked = 0;
    memcpy(all.live, all.base, all.size);
    crash_disk_record(&all.disk);
    all.disk.drop_flush = all.drop_flush;
    all.disk.drops_all = all.drops_all;
    status = mount();
    if (status != 0) {
        failed(NULL, "it cannot be mounted");
        return;
    }
    operations_run();
    status = file_unmount("/");
    all.disk.is_recording = false;
    if (status != 0) {
        failed(NULL, "it cannot be unmounted");
        return;
    }
    if (all.is_verbose)
        log_print();
    if (!live_is_clean(NULL, "it is not clean behind the unmount"))
        return;
    crash_states(all.base, all.size, &all.disk.log, &all.limits, state_check,
                 NULL, &all.counts);
    crash_log_free(&all.disk.log);
}

/* ---- Sequences ----------------------------------------------------------- */

static uint64_t random_state;

static unsigned drawn(unsigned limit)
{
    random_state = random_state * 6364136223846793005 + 1442695040888963407;
    return (unsigned)(random_state >> 33) % limit;
}

static void progress_print(unsigned long total)
{
    if (all.progress == 0 || all.sequences % all.progress != 0)
        return;
    fprintf(stderr, "crash: %lu of %lu sequences, %lu states, %lu failures\n",
            all.sequences, total, (unsigned long)all.counts.distinct,
            all.failures);
}

/* Those of the share, a piece of an order in which all operations are mixed.
 * MIX is a prime that divides no such total: the order has each sequence once
 * (of less than 2^44). */
static void sequences_all(void)
{
    enum { MIX = 1000003 };
    unsigned long total = 1, from, until;

    for (unsigned i = 0; i < all.length; i++)
        total *= all.letters;
    from = total * all.share / all.shares;
    until = total * (all.share + 1) / all.shares;
    all.count = all.length;
    for (unsigned long i = from; i < until; i++) {
        unsigned long rest = i * MIX % total;

        for (unsigned k = 0; k < all.length; k++) {
            all.op[k] = all.letter[rest % all.letters];
            rest /= all.letters;
        }
        sequence_run();
        progress_print(until - from);
    }
}

static void sequences_drawn(void)
{
    random_state = all.limits.seed;
    all.count = all.length;
    for (uint64_t i = 0; i < all.random; i++) {
        for (unsigned k = 0; k < all.length; k++)
            all.op[k] = all.letter[drawn(all.letters)];
        sequence_run();
        progress_print(all.random);
    }
}

/* Operations by their names; false: one is not known, or there are too many. */
static bool names_read(const char *names, int *to, unsigned max,
                       unsigned *count)
{
    *count = 0;
    for (const char *at = names; *at != '\0';) {
        size_t len = strcspn(at, ",");
        int op = world_op_find(at, len);

        if (op < 0 || *count == max) {
            fprintf(stderr, "explore: no such operation: %s\n", at);
            return false;
        }
        to[(*count)++] = op;
        at += len + (at[len] == ',');
    }
    return true;
}

static bool letters_read(void)
{
    if (all.alphabet != NULL)
        return names_read(all.alphabet, all.letter, LETTERS_MAX, &all.letters);
    for (size_t i = 0; i < world_op_count; i++)
        all.letter[all.letters++] = (int)i;
    return true;
}

/* ---- All ----------------------------------------------------------------- */

static const char usage[] =
    "usage: explore [--length N] [--share I/N] [--random COUNT] [--seed S]\n"
    "  [--alphabet A,B,...] [--ops A,B,...] [--image OPTIONS] [--kib N] "
    "[--names N]\n"
    "  [--exhaustive N] [--drawn N] [--fsck N] [--atom N] [--only STATE]\n"
    "  [--keep FILE] [--drop-flush N] [--no-flush] [--progress N]\n"
    "  [--verbose] [--list]\n"
    "docs/crash.md tells what it does.\n";

static bool option_take(const char *name, const char *value)
{
    struct {
        const char *name;
        unsigned *number;
        uint64_t *large;
        const char **text;
    } options[] = {
        {"--length", &all.length, NULL, NULL},
        {"--random", NULL, &all.random, NULL},
        {"--progress", NULL, &all.progress, NULL},
        {"--seed", NULL, &all.limits.seed, NULL},
        {"--only", NULL, &all.limits.only, NULL},
        {"--atom", &all.limits.atom, NULL, NULL},
        {"--exhaustive", &all.limits.exhaustive, NULL, NULL},
        {"--drawn", &all.limits.drawn, NULL, NULL},
        {"--fsck", &all.fsck_each, NULL, NULL},
        {"--drop-flush", &all.drop_flush, NULL, NULL},
        {"--ops", NULL, NULL, &all.ops},
        {"--alphabet", NULL, NULL, &all.alphabet},
        {"--keep", NULL, NULL, &all.keep},
        {"--image", NULL, NULL, &all.image_options},
        {"--kib", &all.kib, NULL, NULL},
        {"--names", &all.names, NULL, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (strcmp(options[i].name, name) != 0)
            continue;
        if (options[i].text != NULL)
            *options[i].text = value;
        else if (options[i].number != NULL)
            *options[i].number = (unsigned)strtoul(value, NULL, 0);
        else
            *options[i].large = strtoull(value, NULL, 0);
        return true;
    }
    return strcmp(name, "--share") == 0 &&
           sscanf(value, "%lu/%lu", &all.share, &all.shares) == 2;
}

static bool options_take(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            all.is_verbose = true;
            continue;
        }
        if (strcmp(argv[i], "--no-flush") == 0) {
            all.drops_all = true;
            continue;
        }
        if (strcmp(argv[i], "--list") == 0) {
            for (size_t k = 0; k < world_op_count; k++)
                printf("%s\n", world_ops[k].name);
            exit(0);
        }
        if (i + 1 == argc || !option_take(argv[i], argv[i + 1]))
            return false;
        i++;
    }
    return all.length >= 1 && all.length <= LENGTH_MAX &&
           all.share < all.shares;
}

/* Blocks that are free hold what would be wrong anywhere: who reads one that
 * was not written shows it. */
static void free_blocks_fill(uint8_t *image)
{
    const uint8_t *super = image + 1024;
    size_t block_size = (size_t)1024 << le32_get(super + 24);
    uint32_t first = le32_get(super + 20), blocks = le32_get(super + 4);
    uint32_t per_group = le32_get(super + 32);

    for (uint32_t block = first; block < blocks; block++) {
        uint32_t group = (block - first) / per_group;
        uint32_t bit = (block - first) % per_group;
        const uint8_t *desc = image + (first + 1) * block_size + 32 * group;
        const uint8_t *map = image + le32_get(desc) * block_size;

        if ((map[bit / 8] >> bit % 8 & 1) == 0)
            memset(image + block * block_size, 0xa5, block_size);
    }
}

/* The volume that each sequence begins with. */
static void base_make(void)
{
    char tree[] = "/tmp/torc_crash_XXXXXX", command[900];

    if (mkdtemp(tree) == NULL)
        abort();
    snprintf(command, sizeof(command),
             "cd %s && mkdir d e && head -c 3000 /dev/zero | tr '\\0' a >a && "
             "head -c 1800 /dev/zero | tr '\\0' b >b && echo x >d/x && "
             "for i in $(seq %u); do "
             "ln b the-root-has-many-names-so-that-it-needs-an-index-$i; done",
             tree, all.names);
    if (system(command) != 0)
        abort();
    all.base = ext2_image(all.image_options, tree, all.kib, &all.size);
    if (all.names > 0)
        ext2_fsck(all.base, all.size, "-fyD");
    free_blocks_fill(all.base);
    snprintf(command, sizeof(command), "rm -r %s", tree);
    if (system(command) != 0)
        abort();
    all.live = malloc(all.size);
}

int main(int argc, char **argv)
{
    if (!options_take(argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (!letters_read() ||
        (all.ops != NULL &&
         !names_read(all.ops, all.op, LENGTH_MAX, &all.count)))
        return 2;
    signal(SIGABRT, on_abort);
    base_make();
    machine_attach_cmdline(64 << 20, "log=error");
    clock_set(NS_PER_S);
    vfs_init(file_systems);
    crash_disk_init(&all.disk, all.live, all.size, false);
    if (all.ops != NULL)
        sequence_run();
    else if (all.random != 0)
        sequences_drawn();
    else
        sequences_all();
    printf(
        "crash: %lu sequences, %lu windows (%lu explored as a whole), %lu "
        "states, %lu of them new, %lu looked at for what was synced, %lu "
        "repaired by e2fsck (%lu with -y), %lu with a torn block of names, %lu "
        "with names twice behind it, %lu failures\n",
        all.sequences, (unsigned long)all.counts.windows,
        (unsigned long)all.counts.explored_all,
        (unsigned long)all.counts.states, (unsigned long)all.counts.distinct,
        all.looks, all.fsck_runs, all.fsck_serious, all.torn_names,
        all.names_twice, all.failures);
    machine_detach();
    return all.failures > 0 ? 1 : 0;
}
