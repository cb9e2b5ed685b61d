/* launch: runs the wrapped application inside a workspace. Its contract is docs/launcher.md. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define SECOND 1000000000LL
#define O_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* REASON and MESSAGE, escaped, fit the RESERVE of a file. A write of BLOCK bytes to a pipe does not
 * block after POLLOUT. MOST words and descendants, ARENA more bytes than an exec takes. */
enum { RESERVE = 4096, REASON = 256, MESSAGE = 2560, BLOCK = 4096, MOST = 1 << 16, ARENA = 8 << 20,
       MANY = 1024, DEEP = 512, PATH = 4096, TIMED_OUT = 124, OWN_FAILURE = 125, STOPPED = 143 };
enum { RECORDED, VERSION, EXEC, WORKSPACE, RECORD, COLLECTOR, WRAPPER, ENV, FOLDERS, CHDIR, OUTPUT_ENV,
       WARMUPS, REPETITIONS, TIMEOUT, ON_TIMEOUT, GRACE, STOP, LOG_LIMIT, END_FILE, NAME,
       SIZE_LIMIT, AFTER, AFTER_OUTPUT, AFTER_SECONDS, PROBE, PROBE_PATH, PREPEND, OPTIONS };
static const char *const NAMES[] = { /* in the same order; the first three have no value */
    "--recorded", "--version", "--exec", "--workspace", "--record", "--collector", "--wrapper", "--env",
    "--path", "--chdir", "--output-env", "--warmups", "--repetitions", "--timeout", "--on-timeout", "--grace",
    "--stop", "--log-limit", "--stop-file-at-end", "--name", "--size-limit", "--after", "--after-output",
    "--after-seconds", "--probe", "--probe-path", "--prepend"};
static const struct { const char *name; int number; } SIGNALS[] = {
    {"NONE", 0}, {"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"ABRT", SIGABRT}, {"KILL", SIGKILL},
    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {NULL, 0}};
static struct run { /* the run under way; after the last one: what became of the attempt */
    int status, log; /* status: what the launcher exits with; 0: the next run may start */
    bool timed_out, ended, alone, capped; /* ended: the direct child. alone: no descendant left */
    struct ending { char exit[8], signal[8]; } app, tool, after; /* numbers or null, as JSON has them */
    char reason[REASON], message[MESSAGE], path[PATH]; /* reason and message are escaped */
    const char *origin; pid_t child; long long started, finished, logged, peak; double user, system;
} run = {.app = {"null", "null"}, .tool = {"null", "null"}, .after = {"null", "null"}};
static struct stream { int from, to; size_t held, sent; char data[BLOCK]; }
    streams[2] = {{.from = -1}, {.from = -1}};
static char *values[OPTIONS][MANY]; /* of each option, NULL after the last */
static char root[PATH - 64], arena[ARENA], *line[MOST]; static pid_t family[MOST]; /* untouched: free */
static char *after[MANY], *after_output, *own_environ[MOST]; /* {run} replaced; without --env and --path */
static long long warmups, total, wrapper, timeout, grace, log_limit, size_limit, after_limit, wall_offset;
static long long fingerprint, taken; static char too_large[128]; /* why, once --size-limit was passed */
static int home, exit_file = -1; /* the working directory at the start, exit.json under way */
static mode_t inherited_umask, granted; /* granted: what walk adds for the group */
static volatile sig_atomic_t stop_wanted; static sigset_t no_signals, all_signals;
static long long now(void) {
    struct timespec time; clock_gettime(CLOCK_MONOTONIC, &time); return time.tv_sec * SECOND + time.tv_nsec;
}
static void on_signal(int signal) { if (signal != SIGCHLD) stop_wanted = 1; } /* only comes in ppoll */
static bool exists(const char *path) { return access(path, F_OK) == 0; }
static const char *in_run(char *to, const char *name) {
    return snprintf(to, PATH, "%s/%s", run.path, name) < PATH ? to : "";
}
static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }
static _Noreturn void refuse(const char *what) {
    dprintf(STDERR_FILENO, "launch: not understood: %s\n", what); exit(OWN_FAILURE);
}
static long long number(int option, const char *fallback, double unit) {
    const char *text = values[option][0] ? values[option][0] : fallback; double value; char rest;
    if (sscanf(text, "%lf%c", &value, &rest) != 1 || !(value >= 0 && value * unit <= 4e18)) refuse(text);
    return (long long)(value * unit);
}
static void escape(char *to, size_t room, const char *text) { /* for JSON; beyond ASCII \u00XX a byte */
    for (const char *end = to + room - 7; *text && to < end; text++)
        if (*text >= ' ' && *text <= '~' && *text != '"' && *text != '\\') *to++ = *text;
        else to += sprintf(to, "\\u%04x", (unsigned char)*text);
    *to = '\0';
}
static bool settle(int status, const char *origin, const char *reason, const char *message) {
    escape(run.reason, REASON, reason); escape(run.message, MESSAGE, message);
    run.status = status; run.origin = origin;
    return status == 0;
}
static bool failed(int status, const char *reason, int error, const char *what) {
    char message[MESSAGE]; snprintf(message, sizeof message, "%s: %s", strerror(error), what);
    return settle(status, "launcher", reason, message);
}
static bool unable(const char *what) { return failed(OWN_FAILURE, "LauncherFailed", errno, what); }
static int reserve(const char *name) { /* takes its space: a disk that fills up loses no outcome */
    char path[PATH], zeros[RESERVE] = ""; snprintf(path, sizeof path, "%s.tmp", name);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file < 0 || posix_fallocate(file, 0, RESERVE) == 0) return file;
    return pwrite(file, zeros, RESERVE, 0) == RESERVE ? file : -1; /* NFS, FUSE: no fallocate */
}
static bool publish(int file, const char *name) {
    char path[PATH]; snprintf(path, sizeof path, "%s.tmp", name);
    return dprintf(file, "}\n") > 0 && ftruncate(file, lseek(file, 0, SEEK_CUR)) == 0 &&
           fsync(file) == 0 && close(file) == 0 && rename(path, name) == 0;
}
static void put_time(int file, const char *word, long long at) {
    time_t time = (time_t)((at + wall_offset) / SECOND); char text[64];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime(&time));
    dprintf(file, ",\"%sAt\":\"%s.%09lldZ\",\"%sMonotonicNs\":%lld", word, text,
            (at + wall_offset) % SECOND, word, at);
}
static bool publish_outcome(int file, const char *name) {
    if (run.finished == 0) run.finished = now(); /* never started, or never ended */
    put_time(file, "started", run.started); put_time(file, "finished", run.finished);
    dprintf(file, ",\"reason\":\"%s\",\"message\":\"%s\",\"origin\":\"%s\",\"timedOut\":%s,\"exitCode\":%s,"
            "\"signal\":%s,\"userSeconds\":%.6f,\"systemSeconds\":%.6f,\"peakMemoryBytes\":%lld,"
            "\"toolExitCode\":%s,\"toolSignal\":%s,\"logBytes\":%lld,\"logTruncated\":%s,"
            "\"afterExitCode\":%s", run.reason, run.message, run.origin, run.timed_out ? "true" : "false",
            run.app.exit, run.app.signal, run.user, run.system, run.peak, run.tool.exit, run.tool.signal,
            run.logged, run.capped ? "true" : "false", run.after.exit);
    return publish(file, name) || unable(name);
}
static char *contents(const char *path) { /* valid until the next call; NULL: it cannot be read */
    static char bytes[ARENA]; int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r"); bytes[file ? fread(bytes, 1, ARENA - 1, file) : 0] = '\0';
    return file && fclose(file) == 0 ? bytes : NULL;
}
static char *process(pid_t pid, const char *name) { /* contents of /proc/PID/NAME */
    char path[64]; snprintf(path, sizeof path, "/proc/%d/%s", pid, name); return contents(path);
}
static bool obey_note(const char *path, int status, const char *reason) { /* .run/stop, .run/refuse */
    if (*too_large) return settle(STOPPED, "launcher", "OutputTooLarge", too_large); /* that was first */
    char *rest = contents(path);
    const char *first = rest ? strsep(&rest, "\n") : "", *second = rest ? strsep(&rest, "\n") : "";
    return settle(status, "launcher", *first ? first : reason, second);
}
static bool read_record(const char *path) { /* the application could have written it: bounded widths */
    const char *text = contents(path), *at = text ? strstr(text, "\"exitCode\":") : NULL;
    if (!at || sscanf(at, "\"exitCode\":%4[0-9nul],\"signal\":%4[0-9nul],\"userSeconds\":%12lf,"
                      "\"systemSeconds\":%12lf,\"peakMemoryBytes\":%15lld", run.app.exit,
                      run.app.signal, &run.user, &run.system, &run.peak) != 5) return false;
    if (!(at = strstr(text, "\"CannotStart\",\"message\":\""))) return true;
    settle(atoi(run.app.exit), "launcher", "CannotStart", "");
    return sscanf(at, "\"CannotStart\",\"message\":\"%2559[^\"]", run.message) == 1;
}
static pid_t parent_of(pid_t pid) { /* 0: it is gone */
    const char *status = process(pid, "stat"), *end = status ? strrchr(status, ')') : NULL;
    return end ? atoi(end + strlen(") S ")) : 0;
}
static void transfer(struct stream *s) {
    if (s->held > 0) {
        ssize_t size = write(s->to, s->data + s->sent, s->held);
        if (size > 0) { s->sent += (size_t)size; s->held -= (size_t)size; }
        if (size < 0 && errno != EAGAIN) { s->to = -1; s->held = 0; } /* nobody reads: log only */
        return;
    }
    ssize_t size = read(s->from, s->data, BLOCK);
    if (size <= 0) { close(s->from); s->from = -1; return; }
    long long room = run.capped ? 0 : log_limit - run.logged;
    ssize_t logged = write(run.log, s->data, (size_t)(size < room ? size : room));
    run.logged += logged > 0 ? logged : 0; run.capped = logged < size; /* limit, or full disk */
    s->held = s->to < 0 ? 0 : (size_t)size; s->sent = 0;
}
static void reap(int flags) {
    struct ending *ending = values[RECORDED][0] ? &run.tool : &run.app;
    struct rusage usage; int status; pid_t pid = 0;
    while (!(run.ended && flags == 0) && (pid = wait4(-1, &status, flags, &usage)) > 0) {
        run.user += seconds(usage.ru_utime); run.system += seconds(usage.ru_stime);
        if (usage.ru_maxrss * 1024 > run.peak) run.peak = usage.ru_maxrss * 1024;
        if (pid != run.child) continue;
        run.ended = true; run.finished = now();
        if (WIFEXITED(status)) snprintf(ending->exit, 8, "%d", WEXITSTATUS(status));
        else snprintf(ending->signal, 8, "%d", WTERMSIG(status));
    }
    run.alone = pid < 0; /* no child: orphans become our children, so there is no descendant */
}
/* Waits once, at most until the deadline; true: output has moved. Output, orphans, signals and .run/stop are
 * attended to here, so all waiting is. A stream is read when its last block was passed on (back-pressure). */
static bool pump(long long deadline) {
    static long long next_look; long long wait = deadline - now(), slice = SECOND / 5;
    struct timespec time = {0, wait < 0 ? 0 : wait < slice ? wait : slice}; struct pollfd fds[2];
    for (struct stream *s = streams; s < streams + 2; s++) fds[s - streams] =
        s->held > 0 ? (struct pollfd){s->to, POLLOUT, 0} : (struct pollfd){s->from, POLLIN, 0};
    ppoll(fds, 2, &time, &no_signals);
    for (int i = 0; i < 2; i++) if (fds[i].revents) transfer(&streams[i]);
    reap(WNOHANG);
    if (now() >= next_look) { next_look = now() + slice; if (exists(".run/stop")) stop_wanted = 1; }
    return fds[0].revents || fds[1].revents;
}
static void pump_until(long long end) { while (!run.alone && now() < end) pump(end); }
static void drain(void) { /* a slow reader gets 5 s for what is left, then the log alone gets it */
    for (long long end = now() + 5 * SECOND; now() < end + SECOND;) {
        bool held = streams[0].held > 0 || streams[1].held > 0;
        if (!pump(held ? now() + SECOND / 10 : 0) && !held) return;
        for (int i = 0; i < 2 && now() > end; i++) { streams[i].to = -1; streams[i].held = 0; }
    }
}
/* chmod g+rX (profilers make files 0600), fingerprint and size; nftw would end where a folder vanishes. */
static void walk(int folder, int depth) { /* a bound, lest it takes all stack or descriptors */
    DIR *entries = fdopendir(folder); struct dirent *entry; struct stat st;
    while (entries && (entry = readdir(entries))) {
        const char *name = entry->d_name; bool here = !strcmp(name, "."), above = !strcmp(name, "..");
        if (above || (here && depth > 0) || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
        bool is_folder = S_ISDIR(st.st_mode), is_link = S_ISLNK(st.st_mode); taken += st.st_blocks * 512LL;
        mode_t mode = st.st_mode & 07777, more = mode | (granted & (mode & 0111 || is_folder ? 050 : 040));
        if (!is_link && more != mode) fchmodat(folder, name, more, 0);
        if (!is_folder && !is_link && (depth > 0 || strcmp(name, "app.log") != 0))
            fingerprint += st.st_mtim.tv_sec * 7 + st.st_mtim.tv_nsec + st.st_size * 31 + 1;
        if (is_folder && !here && depth < DEEP) walk(openat(folder, name, O_FOLDER), depth + 1);
    }
    if (entries) closedir(entries);
}
static long long visit_files(const char *path, mode_t grant) {
    granted = grant; fingerprint = taken = 0; walk(open(path, O_FOLDER), 0); return fingerprint;
}
static void watch_size(void) { /* every 2 s; too much is a stop like any other, and the first one counts */
    static long long next_look; if (size_limit == 0 || now() < next_look) return;
    visit_files(root, 0); next_look = now() + 2 * SECOND;
    if (taken <= size_limit || stop_wanted || exists(".run/stop")) return;
    snprintf(too_large, sizeof too_large, "the output takes %lld bytes, more than %lld", taken, size_limit);
    stop_wanted = 1;
}
static bool is_inner(pid_t pid) {
    char path[64]; struct stat own, other; snprintf(path, sizeof path, "/proc/%d/exe", pid);
    return stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}
static bool is_tool(pid_t pid) { /* the direct child, and what an inner launcher is below */
    bool found = pid == run.child; DIR *proc = opendir("/proc"); struct dirent *entry;
    while (proc && !found && (entry = readdir(proc))) {
        pid_t at = atoi(entry->d_name); if (at <= 0 || at == getpid() || !is_inner(at)) continue;
        while (at > 0 && at != pid) at = parent_of(at);
        found = at == pid;
    }
    if (proc) closedir(proc);
    return found;
}
/* Whom a signal is for: all, tool, app, mapped=TEXT, without inner launchers; inner; INNER: really all.
 * USR1 kills who does not catch it: SigCgt decides, maps (where it is readable) narrows it down. */
static bool is_target(pid_t pid, int signal, const char *target) {
    if (strchr("Ii", *target) || is_inner(pid)) return *target == 'I' || (*target == 'i' && is_inner(pid));
    if (*target == 't') return abs(pid) == run.child;
    if (*target != 'm') return target[1] == 'l' || (pid > 0 ? !is_tool(pid) : pid != -run.child);
    char *status = process(pid, "status"), *at = status ? strstr(status, "SigCgt:") : NULL;
    unsigned long long caught = at ? strtoull(at + strlen("SigCgt:"), NULL, 16) : 0;
    const char *maps = process(pid, "maps");
    return signal && (caught >> (signal - 1) & 1) && (!maps || strstr(maps, strchr(target, '=') + 1));
}
/* A thread that usr1.c has made for USR1 gets it alone: who handles it anywhere else may hold a lock. */
static bool tell(pid_t pid, int signal, bool mapped) {
    char path[64]; snprintf(path, sizeof path, "/proc/%d/task", pid); bool told = false;
    DIR *threads = mapped && signal == SIGUSR1 ? opendir(path) : NULL; struct dirent *entry;
    while (threads && !told && (entry = readdir(threads))) {
        snprintf(path, sizeof path, "task/%.20s/comm", entry->d_name); const char *name = process(pid, path);
        told = name && !strcmp(name, "profiling-usr1\n") &&
               !syscall(SYS_tgkill, pid, atoi(entry->d_name), signal);
    }
    if (threads) closedir(threads);
    return told || !kill(pid, signal);
}
/* Signals descendants, found by their parents (tools change groups); without /proc, the child's group. */
static size_t deliver(int signal, const char *target) { /* leaves whom it reached in family */
    size_t reached = 0; DIR *proc = opendir("/proc"); struct dirent *entry = NULL;
    do {
        pid_t pid = entry ? atoi(entry->d_name) : proc ? 0 : -run.child, above = pid;
        do above = above > 0 ? parent_of(above) : above; while (above > 0 && above != getpid());
        if (above != 0 && is_target(pid, signal, target) && tell(pid, signal, *target == 'm'))
            family[reached++] = pid;
    } while (proc && reached < MOST && (entry = readdir(proc)));
    if (proc) closedir(proc);
    return reached;
}
static void walk_step(const char *text, bool check) { /* a stop step, SIGNAL:TARGET:WAIT:SECONDS */
    char name[8], target[256], wait[8]; double limit; int i = 0;
    if (sscanf(text, "%7[^:]:%255[^:]:%7[^:]:%lf", name, target, wait, &limit) != 4) refuse(text);
    while (SIGNALS[i].name && strcmp(SIGNALS[i].name, name) != 0) i++;
    bool for_files = strcmp(wait, "files") == 0;
    if (!SIGNALS[i].name || !(limit >= 0 && limit < 9e9) || (!for_files && strcmp(wait, "exit")) ||
        (strcmp(target, "tool") && strcmp(target, "app") && strncmp(target, "mapped=", 7))) refuse(text);
    if (check) return;
    long long before = visit_files(run.path, 0), last = before, current, still = now();
    size_t left = deliver(SIGNALS[i].number, target); long long end = now() + (long long)(limit * SECOND);
    while (left > 0 && !run.alone && now() < end && !(last != before && now() - still > SECOND)) {
        pump_until(now() + SECOND / 10);
        while (!for_files && left > 0 && parent_of(family[left - 1]) == 0) left--;
        if (for_files && (current = visit_files(run.path, 0)) != last) { last = current; still = now(); }
    }
}
/* TERM, patience, KILL. Inner launchers end by themselves, after their child: they get 2 s more. */
static bool end_all(long long patience) {
    reap(WNOHANG); if (!run.alone) deliver(SIGTERM, "all");
    pump_until(now() + patience);
    for (int i = 0; i < 50 && !run.alone; i++, pump_until(now() + SECOND / 10))
        deliver(SIGKILL, i < 20 ? "all" : "INNER");
    return run.alone;
}
static char *expand(char **space, const char *text) { /* {run}; what it returns lives until the next run */
    char *result = *space, *to = result;
    for (const char *hit; (hit = strstr(text, "{run}")); text = hit + 5) {
        if ((size_t)(arena + ARENA - to) < strlen(text) + 2 * PATH) refuse("{run}, so often");
        to = stpcpy(stpncpy(to, text, (size_t)(hit - text)), run.path);
    }
    *space = stpcpy(to, text) + 1; return result;
}
static void prepare(posix_spawnattr_t *how, posix_spawn_file_actions_t *files) { /* own session, no input */
    posix_spawnattr_init(how); posix_spawn_file_actions_init(files);
    posix_spawnattr_setsigdefault(how, &all_signals); posix_spawnattr_setsigmask(how, &no_signals);
    posix_spawnattr_setflags(how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_addfchdir_np(files, home);
}
static bool spawn(char **words) { /* under an inner launcher they keep streams, session, signals */
    char *space = arena, *folder = values[CHDIR][0]; bool outer = values[WORKSPACE][0]; int pipes[2][2];
    posix_spawn_file_actions_t files; posix_spawnattr_t how; prepare(&how, &files);
    for (int i = 0; i < 2; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) < 0) return unable("pipe");
        posix_spawn_file_actions_adddup2(&files, pipes[i][1], i + 1);
        streams[i] = (struct stream){.from = pipes[i][0], .to = i + 1};
    }
    if (folder) posix_spawn_file_actions_addchdir_np(&files, folder);
    for (int i = 0; words[i]; i++)
        line[i] = i < wrapper && strstr(words[i], "{run}") ? expand(&space, words[i]) : words[i];
    for (char **env = values[ENV]; *env; env++) if (strstr(*env, "{run}")) putenv(expand(&space, *env));
    if (values[OUTPUT_ENV][0]) setenv(values[OUTPUT_ENV][0], run.path, 1);
    for (int i = 0; values[AFTER][i]; i++) after[i] = expand(&space, values[AFTER][i]);
    after_output = expand(&space, values[AFTER_OUTPUT][0] ? values[AFTER_OUTPUT][0] : "/dev/null");
    umask(inherited_umask); run.started = now();
    errno = posix_spawnp(&run.child, *line, outer ? &files : NULL, outer ? &how : NULL, line, environ);
    int error = errno, code = error == ENOENT || error == ENOTDIR ? 127 : 126;
    umask(022); posix_spawn_file_actions_destroy(&files); close(pipes[0][1]); close(pipes[1][1]);
    if (error == 0) return true;
    if (error == EAGAIN || error == ENOMEM) return failed(OWN_FAILURE, "LauncherFailed", error, "fork");
    snprintf(run.app.exit, 8, "%d", code);
    return failed(code, "CannotStart", error, folder && faccessat(home, folder, X_OK, 0) ? folder : *line);
}
/* A command where the application's files are; a run that is over lends its state and gets its exit code. */
static struct ending run_command(char **words, int flags, long long until) {
    const struct run kept = run; char log[PATH], **theirs = environ;
    posix_spawn_file_actions_t files; posix_spawnattr_t how; prepare(&how, &files);
    snprintf(log, sizeof log, values[AFTER_OUTPUT][0] ? "%s.log" : "%s", after_output);
    posix_spawn_file_actions_addopen(&files, 1, after_output, flags, 0644);
    posix_spawn_file_actions_addopen(&files, 2, log, flags, 0644);
    posix_spawn_file_actions_addchdir_np(&files, run.path);
    run.app = run.tool = run.after; run.ended = false; environ = own_environ; /* for the search, too */
    run.alone = posix_spawnp(&run.child, *words, &files, &how, words, environ) != 0;
    environ = theirs; posix_spawn_file_actions_destroy(&files);
    pump_until(until); /* what has not ended by then is killed */
    struct ending ending = !run.ended ? kept.after : values[RECORDED][0] ? run.tool : run.app;
    end_all(0); run = kept;
    return ending;
}
static void run_after(void) { /* `;` parts commands: each is run, whatever became of those before */
    const long long until = now() + after_limit; const struct ending none = run.after;
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK; /* no trap there */
    for (char **words = after, **end; *words && now() < until; words = *end ? end + 1 : end) {
        for (end = words; *end && strcmp(*end, ";"); end++) {}
        char *const parting = *end; *end = NULL; run.after = none;
        if (*words) run.after = run_command(words, flags, until);
        *end = parting; flags = (flags & ~O_TRUNC) | O_APPEND;
    }
}
/* cut: the launcher ended it; clean: nothing is left of it; known: so is the application's end. */
static bool judge(bool cut, bool clean, bool known) {
    int code = atoi(run.app.exit), signal = atoi(run.app.signal); /* null is 0 */
    bool normal = values[ON_TIMEOUT][0] && strcmp(values[ON_TIMEOUT][0], "stop") == 0;
    if (!clean) return settle(OWN_FAILURE, "launcher", "CannotStop", "a process does not end");
    if (run.timed_out && normal) return settle(0, "app", "Completed", "the time limit was reached");
    if (run.timed_out) return settle(TIMED_OUT, "launcher", "AppTimedOut", "the time limit was reached");
    if (cut) return obey_note(".run/stop", STOPPED, "Cancelled");
    if (!known) return settle(OWN_FAILURE, "launcher", "CollectorFailed", "no record of the application");
    if (run.status != 0) return false; /* the inner launcher said CannotStart */
    if (signal) return settle(128 + signal, "app", "AppKilled", strsignal(signal));
    return settle(code, "app", code ? "AppFailed" : "Completed", "");
}
static bool make_folder(const char *path) {
    if (mkdir(path, 0777) < 0 && errno != EEXIST) return unable(path);
    int folder = open(path, O_FOLDER);
    if (folder < 0) return unable(path);
    (void)!fchmod(folder, 02777); /* whatever the umask; fails where the folder is another's */
    return close(folder) == 0;
}
static bool open_workspace(const char *path) {
    if (mkdir(path, 0777) == 0) chmod(path, 02777);
    if (chdir(path) < 0 || !getcwd(root, sizeof root)) return unable(path);
    if (!make_folder(".run")) return false;
    errno = EEXIST; /* an attempt is never run twice */
    if (exists(".run/started.json") || mkfifo(".run/alive", 0644) < 0 ||
        open(".run/alive", O_RDWR | O_CLOEXEC | O_NOFOLLOW) < 0) return unable(".run/alive");
    if ((exit_file = reserve(".run/exit.json")) < 0) return unable(".run/exit.json");
    int file = reserve(".run/started.json"); escape(arena, ARENA, values[NAME][0] ? values[NAME][0] : "");
    dprintf(file, "{\"protocol\":1,\"name\":\"%s\",\"pid\":%d,\"runs\":%lld", arena, getpid(), total);
    dprintf(file, ",\"warmups\":%lld", warmups); put_time(file, "started", run.started);
    return publish(file, ".run/started.json") || unable(".run/started.json");
}
static bool run_once(long long index, char **words) {
    char name[64], path[PATH]; bool recorded = values[RECORDED][0], clean = false;
    snprintf(name, sizeof name, ".run/run-%lld.json", index);
    snprintf(run.path, sizeof run.path, "%s/run-%lld", root, index);
    if (!make_folder(run.path)) return false;
    for (char **folder = values[COLLECTOR]; *folder; folder++)
        if (!make_folder(in_run(path, *folder))) return false;
    run.log = open(in_run(path, "app.log"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int file = run.log < 0 ? -1 : reserve(name);
    if (file < 0) return unable(run.log < 0 ? path : name);
    const char *record = in_run(path, ".app.json");
    if (spawn(words)) {
        long long deadline = run.started + (timeout ? timeout : 9 * SECOND * SECOND);
        bool cut = true; /* A tool may end before the application, which then goes on, recorded. */
        while ((cut = !run.ended || (recorded && !exists(record) && deliver(0, "inner"))) &&
               !stop_wanted && now() < deadline) { pump(deadline); watch_size(); }
        run.timed_out = cut && !stop_wanted;
        for (char **step = values[STOP]; cut && *step; step++) walk_step(*step, false);
        bool known = !recorded || exists(record);
        clean = end_all(cut || grace < 5 * SECOND ? grace : 5 * SECOND); drain();
        known = (!recorded || read_record(record)) && known; judge(cut, clean, known);
    }
    for (int i = 0; i < 2; i++) { close(streams[i].from); streams[i].from = -1; }
    close(run.log); if (clean && *after) run_after();
    visit_files(run.path, 050);
    dprintf(file, "{\"index\":%lld,\"warmup\":%s", index, index < warmups ? "true" : "false");
    return publish_outcome(file, name);
}
static int supervise(char **words) {
    const struct run fresh = run; long long launched = run.started = now(), count = 0;
    bool go = open_workspace(values[WORKSPACE][0]);
    if (go && exists(".run/refuse")) go = obey_note(".run/refuse", OWN_FAILURE, "CannotStart");
    while (go && run.status == 0 && count < total) {
        run = fresh; pump(0);
        if (stop_wanted) obey_note(".run/stop", STOPPED, "Cancelled");
        else count += run_once(count, words);
    }
    run.started = launched; run.finished = now();
    if (exit_file >= 0) dprintf(exit_file, "{\"protocol\":1,\"runs\":%lld", count);
    if (exit_file >= 0) publish_outcome(exit_file, ".run/exit.json");
    if (poll(&(struct pollfd){.fd = 2, .events = POLLOUT}, 1, 0) == 1 && *run.origin == 'l')
        dprintf(STDERR_FILENO, "launch: %s: %s\n", run.reason, run.message);
    if (values[END_FILE][0]) openat(home, values[END_FILE][0], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return run.status;
}
static void on_alarm(int n) { (void)!write(2, "no answer within 2 s\n", 21); _exit(n == SIGALRM); }
static int probe(const char *path) { /* a container's health check, where the image holds nothing else */
    long long port = number(PROBE, "", 1); int status = 0, server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    signal(SIGPIPE, SIG_IGN); if (port < 1 || port > 65535) refuse(values[PROBE][0]);
    signal(SIGALRM, on_alarm); sigprocmask(SIG_SETMASK, &no_signals, NULL); alarm(2);
    if (connect(server, (struct sockaddr *)&address, sizeof address) < 0) /* 1, even where nobody reads why */
        return dprintf(STDERR_FILENO, "nobody listens on port %lld\n", port) != 0;
    if (!path) return 0;
    dprintf(server, "GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
    FILE *answer = fdopen(server, "r"); /* status 0: not HTTP */
    bool good = answer && fscanf(answer, "HTTP/%*3d.%*3d %3d", &status) == 1 && status >= 200 && status < 400;
    return !good && dprintf(STDERR_FILENO, "%s answered %d\n", path, status) != 0;
}
static _Noreturn void become(char **words) { /* what stands around the application has its own variables */
    for (char **given = values[PREPEND]; *given; given++) {
        char *value = strchr(*given, '='), *old; if (!value) refuse(*given);
        *value++ = '\0'; old = getenv(*given);
        snprintf(arena, ARENA, "%s%s%s", value, old && *old ? ":" : "", old ? old : "");
        setenv(*given, arena, 1);
    }
    execvp(*words, words); int error = errno;
    dprintf(STDERR_FILENO, "launch: CannotStart: %s: %s\n", strerror(error), *words);
    exit(error == ENOENT || error == ENOTDIR ? 127 : 126);
}
int main(int argc, char **argv) {
    char **word = argv + (argc > 0);
    for (; *word && strcmp(*word, "--") != 0; word++) {
        int option = 0, n = 0;
        while (option < OPTIONS && strcmp(NAMES[option], *word) != 0) option++;
        if (option == OPTIONS || (option > EXEC && !word[1])) refuse(*word);
        while (values[option][n]) if (++n + 1 == MANY) refuse("so many options");
        values[option][n] = option > EXEC ? *++word : *word;
    }
    if (values[VERSION][0]) return puts("launch 1 (protocol 1)") < 0;
    if (values[PROBE][0] && !*word) return probe(values[PROBE_PATH][0]);
    if (values[EXEC][0] && *word && word[1]) become(word + 1);
    if (values[EXEC][0] || values[PROBE][0] || !*word || !word[1] || argv + argc > word + MOST ||
        !values[WORKSPACE][0] == !values[RECORD][0]) refuse("the command line");
    for (char **step = values[STOP]; *step; step++) walk_step(*step, true);
    warmups = number(WARMUPS, "0", 1); total = warmups + number(REPETITIONS, "1", 1);
    timeout = number(TIMEOUT, "0", SECOND); grace = number(GRACE, "60", SECOND);
    wrapper = number(WRAPPER, "0", 1); log_limit = number(LOG_LIMIT, "8388608", 1);
    size_limit = number(SIZE_LIMIT, "0", 1); after_limit = number(AFTER_SECONDS, "60", SECOND);
    while ((home = open(".", O_PATH | O_CLOEXEC)) >= 0 && home < 3) (void)!dup(home); /* 0 to 2 */
    struct timespec wall; clock_gettime(CLOCK_REALTIME, &wall); /* read once: both clocks tell one story */
    wall_offset = wall.tv_sec * SECOND + wall.tv_nsec - now(); inherited_umask = umask(022);
    memset(&all_signals, 0xff, sizeof all_signals); /* sigfillset spares what libc uses for itself */
    if (values[RECORD][0]) { /* with all signals blocked, only KILL could end it before its child */
        sigset_t before; sigprocmask(SIG_SETMASK, &all_signals, &before);
        run.child = fork(); /* py-spy KILLs its child in the end: that is only the first of these two */
        if (run.child > 0) { reap(0); return *run.app.exit == 'n' ? OWN_FAILURE : atoi(run.app.exit); }
        sigprocmask(SIG_SETMASK, &before, NULL); int file = reserve(values[RECORD][0]);
        bool started = file >= 0 ? spawn(word + 1) : unable(values[RECORD][0]);
        sigprocmask(SIG_SETMASK, &all_signals, NULL);
        if (started) { reap(0); judge(false, true, true); }
        dprintf(file, "{\"protocol\":1"); publish_outcome(file, values[RECORD][0]);
        return run.status;
    }
    sigprocmask(SIG_SETMASK, &all_signals, NULL);
    signal(SIGCHLD, on_signal); signal(SIGTERM, on_signal); signal(SIGINT, on_signal);
    if (signal(SIGHUP, on_signal) == SIG_IGN) signal(SIGHUP, SIG_IGN); /* nohup */
    signal(SIGPIPE, SIG_IGN); prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int fd = 3; fd < 4096; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
    for (int i = 0; environ[i] && i < MOST - 1; i++) own_environ[i] = environ[i];
    for (char **env = values[ENV]; *env; env++) /* ours becomes the application's, PATH for its search, too */
        if (!strchr(*env, '=') || putenv(*env)) refuse(*env);
    char *to = arena, *old = getenv("PATH");
    for (char **folder = values[FOLDERS]; *folder; folder++) to = stpcpy(stpcpy(to, *folder), ":");
    stpcpy(to, old ? old : "/usr/local/bin:/usr/bin:/bin");
    if (to > arena) setenv("PATH", arena, 1);
    return supervise(word + 1);
}
