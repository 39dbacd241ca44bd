/*
 * The shell: sessions, and what commands have of theirs.
 *
 * A session belongs to one thread of CPU 0, whose working directory is the
 * session's. It reads lines from its terminal, with the editor of line.h, and
 * executes them; a file of lines is executed by `run FILE`.
 */
#ifndef TORC_APPS_SHELL_SHELL_H
#define TORC_APPS_SHELL_SHELL_H

#include "apps/shell/line.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>
#include <torc/file.h>
#include <torc/thread.h>

enum {
    SHELL_PRINT_MAX = 512, /* bytes of one shell_print() */
    SHELL_DEPTH_MAX = 4,   /* files that run files */
    SHELL_TYPED = 1024,    /* bytes that are read while a command runs */
    LONG_ROUNDS = 1000,    /* of a command that is as good as endless */
    SHELL_SAID = 1,        /* a command has failed and said why */
};

/* Where a session's bytes come from and go to. */
struct terminal {
    /* As console_read(). */
    int64_t (*read)(void *ctx, void *buf, size_t size, uint64_t deadline_ns);
    void (*write)(void *ctx, const char *text, size_t len);
    void *ctx;
    uint64_t idle_ns;   /* without a key the session ends; TIME_NEVER */
    uint64_t linger_ns; /* how long a command may go on behind the end of the
                         * input; TIME_NEVER: as long as it takes */
};

struct shell {
    struct terminal terminal;
    struct line line;
    bool has_ended;      /* the terminal's input */
    uint64_t end_ns;     /* if so: until when a command may go on */
    bool is_told;        /* somebody else wants the session to end */
    bool is_stopped;     /* Ctrl-C has come, or it is to end: the line ends */
    bool is_endless;     /* the command: keys that find no room are lost */
    bool leaves;         /* after this command the session ends */
    bool ends_machine;   /* and the machine, too */
    bool begins_again;   /* which then begins again */
    int status;          /* of the last command: 0, SHELL_SAID or an error */
    unsigned depth;      /* of files that run */
    struct file *target; /* where output goes; NULL: to the terminal */
    int target_error;    /* the first one of a write to it */
    uint8_t typed[SHELL_TYPED]; /* a ring */
    size_t typed_first, typed_count;
    char command[LINE_SIZE]; /* that is executed */
    thread_id thread;        /* of the session */
    struct shell *next;      /* of the sessions that are open */
};

struct command {
    const char *name;
    const char *arguments; /* for people */
    const char *help;
    int min, max; /* arguments */
    /* Returns 0, an error, or SHELL_SAID. argv[0] is the name, NULL ends. */
    int (*run)(struct shell *shell, int argc, char **argv);
};

/* All commands; a row without a name ends them. */
extern const struct command *const shell_commands[];

/* ---- For commands -------------------------------------------------------- */

/* To where the output goes. */
void shell_write(struct shell *shell, const char *text, size_t len);
void shell_print(struct shell *shell, const char *format, ...)
    printf_like(2, 3);

/* To the terminal, wherever the output goes. Returns SHELL_SAID. */
int shell_say(struct shell *shell, const char *format, ...) printf_like(2, 3);

/* Make a text that others have chosen harmless for a terminal: control
 * characters become "?". */
void shell_tame(char *text, size_t len);

/* Say there why `what` has failed. Returns SHELL_SAID. */
int shell_fail(struct shell *shell, const char *what, int error);

/* Wait until time_ns() >= deadline_ns, which is at most a second away. Returns
 * whether the command is to end: Ctrl-C came before, or the session is over. */
bool shell_wait(struct shell *shell, uint64_t deadline_ns);

/* Whether the command is to end, also since its output cannot be written: for
 * what takes long. */
bool shell_stopped(struct shell *shell);

/* ---- Sessions ------------------------------------------------------------ */

/* By the thread of the session, which is then open until the end of
 * shell_session(). */
void shell_init(struct shell *shell, const struct terminal *terminal);

/* Execute a line, which changes. Returns shell->status. */
int shell_line(struct shell *shell, char *line);

/* Execute the lines of a file until one fails. Returns 0, SHELL_SAID, or an
 * error of the file; -ELOOP: files that run files. */
int shell_file(struct shell *shell, const char *path);

/* Read lines and execute them until the session leaves, its input ends, or it
 * is told to end. The thread is then at "/". Does not return when the session
 * ends the machine. */
void shell_session(struct shell *shell);

/* Tell the session of that thread to end, between two steps of its command.
 * Returns whether there is one. */
bool shell_kill(thread_id id);

/* Tell all sessions, also those that begin later, and wait for their end, two
 * seconds at most. The caller is in none. */
void sessions_end(void);

/* End the machine, or let it begin again, after what was written is on the
 * disks. The caller is in no session. */
_Noreturn void shell_end(bool again);

/* What an error means: "no such file or device". */
const char *error_text(int error);

/* ---- Completion (complete.c) --------------------------------------------- */

/* For struct line_ops; ctx is the shell. */
unsigned shell_complete(void *ctx, const char *text, size_t cursor,
                        char *insert, size_t size);
void shell_candidates(void *ctx, const char *text, size_t cursor);

/* ---- The commands, by subject -------------------------------------------- */

extern const struct command builtin_commands[];
extern const struct command file_commands[];
extern const struct command disk_commands[];
extern const struct command system_commands[];
extern const struct command net_commands[];

#endif
